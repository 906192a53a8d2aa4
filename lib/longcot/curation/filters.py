"""Filters over traces: each says which rows it removes and why, so that every row's fate is known.

In a study a filter is its name, `correct`, or its name with parameters, `{length: {low: 500, high: 8000}}`; they are
applied in the order given.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, model_validator

from longcot.curation.contamination import shared_ngrams
from longcot.curation.duplicates import exact_duplicates, near_duplicates
from longcot.curation.pool import Pool
from longcot.files.errors import BadInput
from longcot.files.strict import Strict
from longcot.problems.problem import Problem
from longcot.traces.properties import loops, scripts
from longcot.traces.trace import Trace

Reasons = list[str | None]  # for each trace why it is removed, None where it stays


def _undecided(trace: Trace) -> str | None:
    return f"undecided whether {trace.answer} is {trace.expected_answer}" if trace.undecided else None


class Correct(Strict):
    """The final answer is the expected one."""

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return [
            None if trace.correct else _undecided(trace) or f"answer {trace.answer}, not {trace.expected_answer}"
            for trace in traces
        ]


class Wrong(Strict):
    """The final answer is not the expected one: for arms that learn from errors."""

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return ["it is correct" if trace.correct else _undecided(trace) for trace in traces]


class Contested(Strict):
    """The problem has a correct and a wrong trace.

    Before `correct` in one arm and `wrong` in another it leaves both the same problems.
    """

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        right = {trace.problem_id for trace in traces if trace.correct}
        wrong = {trace.problem_id for trace in traces if not trace.correct and not trace.undecided}
        return [
            None
            if trace.problem_id in right & wrong
            else f"all of its problem are {'' if trace.correct else 'in'}correct"
            for trace in traces
        ]


class Finished(Strict):
    """The response ended by itself, as far as its source says."""

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return [_unfinished(trace) if trace.finished is False else None for trace in traces]


def _unfinished(trace: Trace) -> str:
    limit = trace.finish_reason in ("length", "overflow")
    return "cut at the limit of tokens" if limit else f"not finished: {trace.finish_reason}"


class NoLoop(Strict):
    """No block stands in the text `times` times in a row, of `words` words in all. See `properties.loops`."""

    times: int = Field(4, ge=2)
    words: int = Field(40, ge=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        found = (loops(trace.text, self.times, self.words) for trace in traces)
        return [f"a block {loop[0].times:.0f} times in a row" if loop else None for loop in found]


class Language(Strict):
    """At least `share` of the letters are of one script. See `properties.scripts`; a text without letters stays."""

    script: Literal["latin", "han", "kana", "hangul", "cyrillic", "arabic", "hebrew", "devanagari", "thai"] = "latin"
    share: float = Field(0.99, gt=0, le=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        shares = (scripts(trace.text) or {self.script: 1.0} for trace in traces)
        own = (share.get(self.script, 0.0) for share in shares)
        return [None if share >= self.share else f"{share:.1%} of its letters are {self.script}" for share in own]


class Length(Strict):
    """The length lies from `low` to `high`, ends included, in one unit for all. See `properties.LengthMeasure`."""

    low: int = Field(0, ge=0)
    high: int | None = Field(None, ge=0)
    unit: Literal["tokens", "words", "characters"] = "tokens"
    tokenizer: str = ""  # where the traces bring no counts, the base's

    @property
    def by_tokens(self) -> bool:
        """Whether the number of tokens that the traces bring decides."""
        return self.unit == "tokens" and not self.tokenizer

    @model_validator(mode="after")
    def _window(self) -> "Length":
        if self.high is not None and self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}; exchange them")
        return self

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        ruler = pool.ruler(self.unit, self.tokenizer)
        high = float("inf") if self.high is None else self.high
        lengths = [ruler.of_trace(trace) for trace in traces]
        return [None if self.low <= length <= high else f"{length} {self.unit}" for length in lengths]


class Difficulty(Strict):
    """The difficulty model's pass rate on the problem lies from `low` to `high`, ends included."""

    low: float = Field(0.0, ge=0, le=1)
    high: float = Field(1.0, ge=0, le=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        rates = [pool.pass_rate(trace) for trace in traces]
        return [None if self.low <= rate <= self.high else f"pass rate {rate:.2f}" for rate in rates]


class Only(Strict):
    """Each property that is named has one of the values listed for it."""

    problem: list[str] | None = None
    subject: list[str] | None = None
    level: list[str] | None = None
    answer_type: list[str] | None = None
    model: list[str] | None = None

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        wanted = self.model_dump(exclude_none=True)
        return [
            next(
                (f"{name} {value}" for name in wanted if (value := pool.attribute(trace, name)) not in wanted[name]),
                None,
            )
            for trace in traces
        ]


class Contains(Strict):
    """The text holds one of `any`, each as it is written."""

    any: list[str] = Field(min_length=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return [None if any(part in trace.text for part in self.any) else "none of them in it" for trace in traces]


class Lacks(Strict):
    """The text holds none of `any`, each as it is written."""

    any: list[str] = Field(min_length=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        found = (next((part for part in self.any if part in trace.text), None) for trace in traces)
        return [None if part is None else f"{part!r} in it" for part in found]


class NoDuplicate(Strict):
    """No earlier trace of the same problem has the same words (`of: text`), or no earlier problem (`of: problem`)."""

    of: Literal["text", "problem"] = "text"

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return _repeats(traces, self.of, exact_duplicates, lambda first, name: f"the same as {name(first)}")


class NoNearDuplicate(Strict):
    """The same for texts that share `threshold` of their word trigrams. See `duplicates.near_duplicates`."""

    of: Literal["text", "problem"] = "text"
    threshold: float = Field(0.8, gt=0, lt=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        return _repeats(
            traces,
            self.of,
            lambda texts: near_duplicates(texts, self.threshold),
            lambda found, name: f"{found[1]:.0%} like {name(found[0])}",
        )


def _repeats(traces: Sequence[Trace], of: str, find: Callable, tell: Callable) -> Reasons:
    """Why each trace repeats an earlier one; `find` takes texts, `tell` what it found and a way to name a position."""
    groups: dict[str, list[int]] = {}  # places of each problem's traces
    for place, trace in enumerate(traces):
        groups.setdefault(trace.problem_id, []).append(place)
    if of == "problem":
        names = list(groups)
        found = dict(zip(names, find([traces[groups[name][0]].problem for name in names]), strict=True))
        told = {
            name: None if hit is None else tell(hit, lambda i: f"problem {names[i]}") for name, hit in found.items()
        }
        return [told[trace.problem_id] for trace in traces]
    reasons: Reasons = [None] * len(traces)
    for places in groups.values():
        for place, hit in zip(places, find([traces[place].text for place in places]), strict=True):
            if hit is not None:
                reasons[place] = tell(hit, lambda i, places=places: f"sample {traces[places[i]].sample}")
    return reasons


class Decontaminated(Strict):
    """The problem shares no run of `n` words with a problem of the benchmark. See `contamination.shared_ngrams`.

    With `share`, runs of words are allowed that make up a smaller fraction of the problem's words: phrases.
    """

    n: int = Field(8, ge=1)
    share: float = Field(0.0, ge=0, le=1)

    def reasons(self, traces: Sequence[Trace], pool: Pool) -> Reasons:
        problems = {
            trace.problem_id: Problem(id=trace.problem_id, problem=trace.problem, expected_answer=trace.expected_answer)
            for trace in traces
        }
        if not pool.benchmark:
            raise BadInput("filter decontaminated: there is no benchmark to hold against; name problems.benchmark")
        found = {
            overlap.problem_id: overlap for overlap in shared_ngrams(list(problems.values()), pool.benchmark, self.n)
        }
        return [
            f"{hit.share:.0%} of it in {hit.benchmark_id}: {hit.shared}"
            if (hit := found.get(trace.problem_id)) and hit.share >= self.share
            else None
            for trace in traces
        ]


FILTERS = {
    "correct": Correct,
    "wrong": Wrong,
    "contested": Contested,
    "finished": Finished,
    "no_loop": NoLoop,
    "language": Language,
    "length": Length,
    "difficulty": Difficulty,
    "only": Only,
    "contains": Contains,
    "lacks": Lacks,
    "no_duplicate": NoDuplicate,
    "no_near_duplicate": NoNearDuplicate,
    "decontaminated": Decontaminated,
}
