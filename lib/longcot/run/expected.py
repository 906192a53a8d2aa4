"""What arms are expected to write and to take, before anything runs, and how they are dealt to jobs by that."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from longcot.curation.task import Data
from longcot.files.errors import BadInput
from longcot.files.paths import resolve
from longcot.files.run_directory import benchmark_traces, training_traces
from longcot.problems.sources import ProblemSet, load_problems
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.checks import at_hand
from longcot.study.study import Study
from longcot.traces.trace import iter_traces

T = TypeVar("T")
PROBLEMS = 256  # of a set that is not at hand and has no limit, where jobs are cut


def measured_tokens(path: Path) -> float | None:
    """The mean length of the traces in a file, in tokens; None without any that says it."""
    return _mean_tokens(path, path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None


@functools.cache  # of a file as it was then: every arm that learns from a teacher asks for the teacher's
def _mean_tokens(path: Path, changed: int, size: int) -> float | None:
    found = [trace.completion_tokens for trace in iter_traces(path)]
    lengths = [tokens for tokens in found if tokens is not None]
    return sum(lengths) / len(lengths) if lengths else None


def problem_count(problems: ProblemSet) -> int:
    """How many problems a set has. A Hub set is not loaded for a plan."""
    return _problem_count(problems.model_dump_json())


@functools.cache
def _problem_count(problems: str) -> int:
    given = ProblemSet.model_validate_json(problems)
    if given.limit and not at_hand(given.source):
        return given.limit
    return len(load_problems(**given.model_dump()))


def expected_tokens(study: Study, name: str, model: str, traces: str, measured: bool = True) -> tuple[float, str]:
    """(mean length of a response, where the figure is from) for an arm or for training traces of that name.

    A fine-tuned arm is reckoned to write as long as the traces that it learns from. Without `measured` it is what the
    study says alone, the same however far a run has come.
    """
    assumed = study.assume.tokens
    if measured and (mean := measured_tokens(resolve(study.run_dir) / traces)) is not None:
        return mean, "measured"
    if name in assumed:
        return assumed[name], "assumed"
    arm = next((arm for arm in study.arms if arm.name == name), None)
    if arm and study.adapter_of(arm):
        return learnt_tokens(study, study.learner(arm).data, measured)
    if model in assumed:
        return assumed[model], "assumed"
    sampling = study.sampling_of(arm) if arm else study.sampling
    limits = [sampling.max_tokens if sampling else None, study.models[model].context if model else None]
    return min(filter(None, limits), default=1), "the limit"


def learnt_tokens(study: Study, data: Data, measured: bool = True) -> tuple[float, str]:
    """(mean length of the traces that an arm's data choose from, where the figure is from), as `expected_tokens`."""
    teachers = [study.teacher(part) for part in data.parts]
    found = [expected_tokens(study, one.name, one.model, training_traces(one.name), measured) for one in teachers]
    tokens = sum(part.n * length for part, (length, _) in zip(data.parts, found, strict=True))
    return tokens / data.size, ", ".join(dict.fromkeys(source for _, source in found))


def reckoned_seconds(study: Study, one: Arm | TrainingTraces) -> float:
    """What training an arm and sampling all that has its adapter takes, or sampling training traces.

    By what the study says alone. Without rates the unit is not the second: what it is worth lies in the comparison.
    """
    assume = study.assume
    sampling, training = assume.sampling_tokens_per_s, assume.training_tokens_per_s
    if isinstance(one, TrainingTraces):
        tokens = expected_tokens(study, one.name, one.model, training_traces(one.name), measured=False)[0]
        tokens *= _about(study.problems.train) * one.samples * (1 + len(one.edits))
        return tokens / (sampling or training or 1.0)
    learnt = sampled = 0.0
    if one.trained:
        learnt = one.data.size * learnt_tokens(study, one.data, measured=False)[0] * study.lora_of(one).epochs
    problems = _about(study.problems.benchmark)
    if one.data and not one.trained:  # examples, which are read with each problem, about as fast as they are learnt
        learnt = one.data.size * learnt_tokens(study, one.data, measured=False)[0] * problems
    for arm in study.sampled_with([one]) if one.trained else [one]:
        tokens = expected_tokens(study, arm.name, arm.model, benchmark_traces(arm.name), measured=False)[0]
        sampled += problems * study.sampling_of(arm).samples * tokens
    return learnt / (training or sampling or 1.0) + sampled / (sampling or training or 1.0)


def _about(problems: ProblemSet | None) -> int:
    """How many problems a set has, without asking the Hub, and where it is not there."""
    if problems is None:
        return 1
    try:
        return problem_count(problems) if at_hand(problems.source) else problems.limit or PROBLEMS
    except BadInput:
        return PROBLEMS


def dealt(items: Sequence[T], count: int, most: int, seconds: Callable[[T], float]) -> list[list[T]]:
    """The items in so many jobs of at most `most`, which take about as long, in their order.

    Whatever takes longest goes first, to the job that has least to do so far; then the longest job gives an item to
    another, or exchanges two, as long as that makes it shorter.
    """
    jobs: list[list[int]] = [[] for _ in range(count)]
    takes = [seconds(item) for item in items] if count > 1 else [0.0] * len(items)

    def load(job: list[int]) -> float:
        return sum(takes[place] for place in job)

    for place in sorted(range(len(items)), key=lambda place: -takes[place]):
        min((job for job in jobs if len(job) < most), key=load).append(place)
    while count > 1 and (better := _exchange(jobs, most, takes, load)):
        longest, other, mine, theirs = better
        longest.remove(mine)
        other.append(mine)
        if theirs is not None:
            other.remove(theirs)
            longest.append(theirs)
    return [[items[place] for place in sorted(job)] for job in jobs]


def _exchange(
    jobs: list[list[int]], most: int, takes: Sequence[float], load: Callable[[list[int]], float]
) -> tuple[list[int], list[int], int, int | None] | None:
    """(longest job, another, an item of it, one of the other's or None) whose exchange shortens it most; None: none."""
    longest = max(jobs, key=load)
    best, found = load(longest) * (1 - 1e-9), None
    for other in (job for job in jobs if job is not longest):
        for theirs in [*other, *([None] if len(other) < most else [])]:
            for mine in longest:
                moved = takes[mine] - (takes[theirs] if theirs is not None else 0.0)
                if (after := max(load(longest) - moved, load(other) + moved)) < best:
                    best, found = after, (longest, other, mine, theirs)
    return found
