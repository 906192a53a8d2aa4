"""What is sampled in a run so far: every file of traces, what is in it, and how much will be."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from longcot.files.run_directory import benchmark_traces, training_traces
from longcot.run.expected import expected_tokens, problem_count
from longcot.run.plan import BYTES_PER_TOKEN
from longcot.study.study import Study

_TOKENS = re.compile(rb'"completion_tokens":(\d+)')
_RIGHT = b'"correct":true'  # no text holds it: quotes within one are written with a backslash


@dataclass(frozen=True)
class Counts:
    """Of a file of traces so far."""

    rows: int = 0
    right: int = 0
    tokens: int = 0
    size: int = 0  # bytes

    @property
    def mean_tokens(self) -> float:
        """The mean length; about that, where the traces say no lengths."""
        return (self.tokens or self.size / BYTES_PER_TOKEN) / max(self.rows, 1)


@dataclass(frozen=True)
class Sampled:
    """An arm or a teacher: its file, what is in it, and how much will be (None of what is imported)."""

    name: str
    path: Path
    so_far: Counts
    expected: int | None
    mean_tokens: float

    @property
    def tokens_left(self) -> float:
        """The tokens that are still to be written, about."""
        return max((self.expected or 0) - self.so_far.rows, 0) * self.mean_tokens


def sampled_files(study: Study, run_dir: Path) -> dict[str, Sampled]:
    """Every file of traces of the study, by its path in the run directory."""
    found: dict[str, Sampled] = {}
    for one in study.training_traces:
        samples = None if one.imported else one.samples * (1 + len(one.edits))
        path, problems = training_traces(one.name), study.problems.train
        counts = counts_in(run_dir / path)
        known = counts.rows or not (one.model or study.sampling)
        mean = counts.mean_tokens if known else expected_tokens(study, one.name, one.model, path)[0]
        expected = samples and problem_count(problems) * samples
        found[path] = Sampled(one.name, run_dir / path, counts, expected, mean)
    for arm in filter(lambda arm: arm.reported, study.arms):
        path, problems = benchmark_traces(arm.name), study.problems.benchmark
        counts = counts_in(run_dir / path)
        if counts.rows or arm.imported:
            mean = counts.mean_tokens
        elif arm.trained:  # as long as what it learns from
            mean = found[training_traces(arm.data.teacher)].mean_tokens
        else:
            mean = expected_tokens(study, arm.name, arm.model, path)[0]
        expected = None if arm.imported else problem_count(problems) * study.sampling_of(arm).samples
        found[path] = Sampled(arm.name, run_dir / path, counts, expected, mean)
    return found


def counts_in(path: Path) -> Counts:
    """What a file of traces holds so far; nothing where there is none."""
    if not path.is_file():
        return Counts()
    return _counts(path, path.stat().st_size, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4096)  # of a file as it was then
def _counts(path: Path, size: int, changed: int) -> Counts:
    rows = right = tokens = 0
    with open(path, "rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):  # a last one without was torn by a kill
                rows, right = rows + 1, right + (_RIGHT in line)
                tokens += int(found[1]) if (found := _TOKENS.search(line)) else 0
    return Counts(rows, right, tokens, size)
