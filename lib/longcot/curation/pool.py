"""The traces that a study chooses from, and what is known beside them: their problems, pass rates, the benchmark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.problems.problem import Problem, problem_id
from longcot.traces.length import LengthMeasure
from longcot.traces.likelihood import Likelihood, digest
from longcot.traces.properties import answer_type
from longcot.traces.trace import Trace, iter_traces, read_traces

ATTRIBUTES = ("problem", "subject", "level", "answer_type", "model", "correct")


@dataclass(frozen=True)
class Pool:
    """The traces to choose from by their file in the run directory, and what is known beside them.

    That is problems by id, the difficulty model's pass rates by id, and the benchmark. `tokenizer` (a directory or a
    Hub id) counts the tokens of traces that bring no counts, or those of several models. `likelihoods` are the base's
    of the traces by `traces.likelihood.digest`, where they were measured.
    """

    problems: Mapping[str, Problem] = field(default_factory=dict)
    pass_rates: Mapping[str, float] = field(default_factory=dict)
    benchmark: Sequence[Problem] = ()
    traces: Mapping[str, Sequence[Trace]] = field(default_factory=dict)
    tokenizer: str = ""
    likelihoods: Mapping[str, Likelihood] = field(default_factory=dict)

    def ruler(self, unit: str, tokenizer: str) -> LengthMeasure:
        """What measures lengths in a unit, tokens by `tokenizer`, else by that of the pool."""
        return LengthMeasure(unit, tokenizer or (self.tokenizer if unit == "tokens" else ""))

    def pass_rate(self, trace: Trace) -> float:
        """The difficulty model's on the trace's problem. Raises BadInput where it is not known."""
        if trace.problem_id not in self.pass_rates:
            raise BadInput(
                f"problem {trace.problem_id}: its difficulty is not known; name a difficulty_model in the study and "
                "sample it on this problem"
            )
        return self.pass_rates[trace.problem_id]

    def likelihood(self, trace: Trace) -> Likelihood:
        """The base's likelihood of the trace. Raises BadInput where it was not measured."""
        found = self.likelihoods.get(digest(trace.problem_id, trace.text))
        if found is None:
            raise BadInput(
                f"problem {trace.problem_id}: how likely the base finds its trace is not known; name a "
                "likelihood_model in the study"
            )
        return found

    def attribute(self, trace: Trace, name: str) -> str:
        """One of `ATTRIBUTES` of a trace. Raises BadInput for another name, and for a subject or level not known."""
        if name == "problem":
            return trace.problem_id
        if name == "answer_type":
            return answer_type(trace.expected_answer)
        if name in ("model", "correct"):
            return str(getattr(trace, name))
        if name not in ATTRIBUTES:
            raise BadInput(f"property {name!r} is not known; use one of {', '.join(ATTRIBUTES)}")
        problem = self.problems.get(trace.problem_id)
        value = getattr(problem, name) if problem else None
        if value is None:
            raise BadInput(f"problem {trace.problem_id} has no {name}; give it one, or choose without {name}")
        return value


def read_pool(
    run_dir: Path,
    files: Iterable[str],
    problems: Sequence[Problem],
    difficulty_traces: str = "",
    benchmark: Sequence[Problem] = (),
    tokenizer: str = "",
) -> Pool:
    """The pool of a study: all traces of `files`, each parsed once, and pass rates from the difficulty model's.

    Files are relative to the run directory; without `difficulty_traces` (graded) no pass rate is known. A problem is
    known by its id and by that of its text (`problems.problem_id`), which imported traces without ids of their own
    have. Raises BadInput for a file that is missing or holds a line that is no trace.
    """
    traces = {file: read_traces(run_dir / file) for file in dict.fromkeys(files)}
    rates = {}
    if difficulty_traces:  # of no use but for the rates: read one by one where they are not chosen from
        rates = pass_rates(traces.get(difficulty_traces) or iter_traces(run_dir / difficulty_traces))
    known = {problem_id(problem.problem): problem for problem in problems}
    known |= {problem.id: problem for problem in problems}
    rates |= {name: rates[problem.id] for name, problem in known.items() if problem.id in rates}
    return Pool(known, rates, benchmark, traces, tokenizer)


def pass_rates(traces: Iterable[Trace]) -> dict[str, float]:
    """The share of correct samples of each problem among graded traces."""
    rates: dict[str, list[bool]] = {}
    for trace in traces:
        if not trace.stage:  # an edited one is no longer the model's own
            rates.setdefault(trace.problem_id, []).append(bool(trace.correct))
    return {problem: sum(correct) / len(correct) for problem, correct in rates.items()}


def check_answers(traces: Iterable[Trace]) -> None:
    """Raises BadInput where a problem stands with two different expected answers."""
    answers: dict[str, str] = {}
    for trace in traces:
        known = answers.setdefault(trace.problem_id, trace.expected_answer)
        if known != trace.expected_answer:
            raise BadInput(
                f"problem {trace.problem_id}: expected answer {known!r} in one trace and {trace.expected_answer!r} in "
                f"sample {trace.sample}; fix the label, or give the two problems ids of their own"
            )
