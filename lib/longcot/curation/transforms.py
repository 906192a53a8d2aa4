"""Changes to the traces that an arm learns from, each seeded: does order, content or wording do the teaching?

A step is a paragraph where a trace has at least `MIDDLE` of them, else a line. What begins a trace and what ends it
(its last step, or all that follows the end of a marked thought) stay as they are; what is changed lies between. Such
changes are tried in Li et al. 2025 (arXiv 2502.07374).
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from longcot.files.errors import BadInput
from longcot.files.strict import Strict
from longcot.traces.behaviours import BEHAVIOURS, behaviour_spans
from longcot.traces.properties import thinking_span
from longcot.traces.trace import Trace

MIDDLE = 3  # steps of the least text that has something between its first and its last
_NUMBER = re.compile(r"\d+")


class Transform(Strict):
    """What is done to each chosen trace, drawn by `seed` and the trace's problem and sample.

    `shuffle_steps` puts the steps in another order, `delete_steps` leaves them out, `change_digits` gives numbers other
    digits, each to a `share` of the steps (or numbers) in the middle of a trace, at least one. `swap_traces` gives each
    problem the trace of another one of the set; `remove_words` takes out what the rules of `behaviours` match.
    """

    kind: Literal["shuffle_steps", "delete_steps", "change_digits", "swap_traces", "remove_words"]  # of change
    share: float = Field(1.0, gt=0, le=1)  # of the steps, or of the numbers
    behaviours: list[str] = []  # of `remove_words`
    seed: int = 0  # of what is drawn

    @model_validator(mode="after")
    def _sensible(self) -> "Transform":
        if (self.kind == "remove_words") != bool(self.behaviours):
            raise ValueError(
                f"{self.kind} with behaviours {self.behaviours}; remove_words needs them, others take none"
            )
        if unknown := [name for name in self.behaviours if name not in BEHAVIOURS]:
            raise ValueError(f"behaviour {unknown[0]!r} is not known; use {', '.join(BEHAVIOURS)}")
        if self.share < 1 and self.kind in ("swap_traces", "remove_words"):
            raise ValueError(f"share {self.share} with {self.kind}, which changes every trace whole; leave it out")
        return self

    @property
    def said(self) -> dict[str, Any]:
        """What it says, without what is at its default."""
        return self.model_dump(exclude_defaults=True)


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


NamedTransform = Annotated[Transform, BeforeValidator(_named)]  # `transform: swap_traces` in a study


@dataclass(frozen=True)
class Changed:
    """A trace as it was changed, and what was: `changed` of `among` steps, numbers or matches; whose text it has."""

    trace: Trace
    changed: int
    among: int
    response_of: str = ""  # the problem that a swapped text solves
    response_sample: int = 0

    def row(self, kind: str) -> dict[str, Any]:
        """What a training set's row says of it."""
        said = {"kind": kind, "changed": self.changed, "among": self.among}
        return said | ({"response_of": [self.response_of, self.response_sample]} if self.response_of else {})


def transform_traces(traces: Sequence[Trace], transform: Transform, name: str) -> list[Changed]:
    """The traces of a set, changed and graded again, in their order.

    Their length in tokens is no longer known, but of swapped ones. Raises BadInput, naming the arm `name` and the
    problem, where a trace would stay as it is.
    """
    from longcot.grading.grade import grade

    if transform.kind == "swap_traces":
        made = _swapped(traces, transform, name)
    else:
        made = [_changed(trace, transform, name) for trace in traces]
    graded = grade([one.trace for one in made])
    return [Changed(trace, one.changed, one.among, one.response_of, one.response_sample)
            for trace, one in zip(graded, made, strict=True)]  # fmt: skip


def _changed(trace: Trace, transform: Transform, name: str) -> Changed:
    rng = random.Random(f"{transform.kind} {transform.seed} {trace.problem_id} {trace.sample}")
    if transform.kind == "remove_words":
        text, changed, among = _without(trace.text, transform.behaviours)
    else:
        first, middle, last = _parts(trace.text)
        middle, changed, among = _OF_STEPS[transform.kind](middle, transform.share, rng)
        text = first + "".join(middle) + last
    if text == trace.text:
        of = " of " + ", ".join(transform.behaviours) if transform.behaviours else ""
        raise BadInput(
            f"arm {name}: transform {transform.kind}{of} leaves the trace of problem {trace.problem_id}, sample "
            f"{trace.sample}, as it is; choose longer traces or other ones by data.filters, or another transform"
        )
    unknown = {"completion_tokens": None, "answer": None, "correct": None}
    return Changed(trace.model_copy(update={"text": text} | unknown), changed, among)


def _parts(text: str) -> tuple[str, list[str], str]:
    """(first step, the steps in the middle, the rest): together the text, each step with the white space after it."""
    start, end = thinking_span(text)
    body, rest = text[start:end], text[end:]
    for pattern in (r".+?(?:\n\s*\n\s*|\Z)", r"[^\n]+(?:\n\s*|\Z)"):
        steps = re.findall(pattern, body, re.S)
        if len(steps) >= MIDDLE:
            break
    else:
        return text, [], ""
    if not rest.strip():  # no thought is marked: the last step is the answer
        rest = steps.pop() + rest
    return text[:start] + steps[0], steps[1:], rest


def _drawn(count: int, share: float, least: int, rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(count), min(max(ceil(share * count), least), count)))


def _shuffle(steps: list[str], share: float, rng: random.Random) -> tuple[list[str], int, int]:
    """The drawn steps in another order on the places that they had; the white space between steps stays where it is."""
    places = _drawn(len(steps), share, 2, rng)
    texts, spaces = [step.rstrip() for step in steps], [step[len(step.rstrip()) :] for step in steps]
    order = list(places)
    for _ in range(20):  # so that an order which changes nothing is drawn again
        rng.shuffle(order)
        if any(texts[new] != texts[old] for new, old in zip(order, places, strict=True)):
            break
    moved = dict(zip(places, (texts[old] for old in order), strict=True))
    changed = sum(moved[place] != texts[place] for place in places)
    return (
        [moved.get(i, text) + space for i, (text, space) in enumerate(zip(texts, spaces, strict=True))],
        changed,
        len(steps),
    )


def _delete(steps: list[str], share: float, rng: random.Random) -> tuple[list[str], int, int]:
    gone = set(_drawn(len(steps), share, 1, rng))
    return [step for i, step in enumerate(steps) if i not in gone], len(gone), len(steps)


def _digits(steps: list[str], share: float, rng: random.Random) -> tuple[list[str], int, int]:
    """The drawn numbers with every digit another one; none begins with a 0 that did not."""
    count = sum(len(_NUMBER.findall(step)) for step in steps)
    drawn, seen = set(_drawn(count, share, 1, rng)), iter(range(count))

    def other(found: re.Match[str]) -> str:
        if next(seen) not in drawn:
            return found[0]
        long = len(found[0]) > 1
        return "".join(
            rng.choice([digit for digit in "0123456789" if digit != old and not (digit == "0" and long and not i)])
            for i, old in enumerate(found[0])
        )

    return [_NUMBER.sub(other, step) for step in steps], len(drawn), count


_OF_STEPS: dict[str, Callable[[list[str], float, random.Random], tuple[list[str], int, int]]] = {
    "shuffle_steps": _shuffle,
    "delete_steps": _delete,
    "change_digits": _digits,
}


def _without(text: str, behaviours: Sequence[str]) -> tuple[str, int, int]:
    """The text without what the rules match, and without the space that would stand twice then."""
    spans = [span for span in behaviour_spans(text) if span.behaviour in behaviours]
    kept, place = "", 0
    for span in spans:
        if span.start >= place:
            kept += text[place : span.start]
        place = max(place, span.end)
        while kept[-1:] in ("", " ", "\n") and text[place : place + 1] == " ":
            place += 1
    return kept + text[place:], len(spans), len(spans)


def _swapped(traces: Sequence[Trace], transform: Transform, name: str) -> list[Changed]:
    """Each problem with the trace of another: a turn through a drawn order in which a problem's traces are together."""
    rng = random.Random(f"swap_traces {transform.seed}")
    problems = sorted({trace.problem_id for trace in traces})
    turn = {problem: place for place, problem in enumerate(rng.sample(problems, len(problems)))}
    order = sorted(range(len(traces)), key=lambda i: (turn[traces[i].problem_id], i))
    most = max(sum(trace.problem_id == problem for trace in traces) for problem in problems)
    if 2 * most > len(traces):
        raise BadInput(
            f"arm {name}: transform swap_traces leaves a trace of problem {traces[0].problem_id} with its own; choose "
            "traces of more problems"
        )
    made: dict[int, Changed] = {}
    for place, i in enumerate(order):
        own, other = traces[i], traces[order[(place + most) % len(order)]]
        taken = {"text": other.text, "completion_tokens": other.completion_tokens, "finish_reason": other.finish_reason}
        trace = own.model_copy(update=taken | {"answer": None, "correct": None})
        made[i] = Changed(trace, 1, 1, other.problem_id, other.sample)
    return [made[i] for i in range(len(traces))]
