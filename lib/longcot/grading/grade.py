"""The final answer out of a text, whether two answers are the same, and grading of traces.

`regrade` grades a file of traces again, without sampling again; the command for it is `longcot regrade`.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from longcot.grading.answers import quick
from longcot.grading.extraction import extract_answer
from longcot.grading.worker import POOL
from longcot.traces.trace import Trace

LOG = logging.getLogger(__name__)
Pair = tuple[str, str]  # an answer and its reference


def is_equivalent(candidate: str, reference: str, timeout: float = 5.0) -> bool:
    """Whether two answers are the same mathematically, `reference` being the expected one.

    Never raises on any text. Plain numbers and the same text are compared in place; anything else in a worker process,
    with `timeout` seconds of its processor time (and ten times that on the wall) from when a worker is ready: one that
    starts has 60 seconds for that. What is not decided by then, or does not fit into memory, is False here; `compare`
    tells it from what is wrong. An empty answer, and one that is no text, is never right.
    """
    return bool(_verdict(candidate, reference, timeout))


def _verdict(candidate: str, reference: str, timeout: float, tries: int = 1) -> bool | None:
    """`is_equivalent`, None where it is not decided in so many tries."""
    if not isinstance(candidate, str) or not isinstance(reference, str):
        return False
    verdict = quick(candidate, reference)
    while verdict is None and tries:
        verdict, tries = POOL.ask(candidate, reference, timeout), tries - 1
    return verdict


def compare(pairs: Iterable[Pair], timeout: float = 5.0) -> dict[Pair, bool | None]:
    """For each pair (answer, reference) whether they are equivalent, None where that could not be decided.

    Each distinct pair is compared once, several at a time, `timeout` seconds each; what is not decided then is tried
    once more, alone.
    """
    verdicts = {pair: quick(*pair) for pair in dict.fromkeys(pairs)}
    if left := [pair for pair, verdict in verdicts.items() if verdict is None]:
        POOL.start()
        with ThreadPoolExecutor(POOL.count) as threads:
            done = threads.map(lambda pair: POOL.ask(*pair, timeout), left)
            verdicts.update(zip(left, done, strict=True))
    return {pair: POOL.ask(*pair, timeout) if verdict is None else verdict for pair, verdict in verdicts.items()}


def group_equivalent(answers: Sequence[str | None], timeout: float = 5.0) -> list[int]:
    """An id for each answer, the same for equivalent ones: 0, 1, … in order of first appearance, -1 for no answer.

    Each answer is compared with the first of every group. An empty answer is none. Two answers of which it is not
    decided whether they are equivalent are different, unless a third one is equivalent to both; a warning counts them.
    """
    firsts: list[str] = []
    same: list[int] = []  # for each of `firsts` the group that it was found to belong to
    undecided: set[tuple[int, int]] = set()
    slow: set[str] = set()  # answers of which a comparison was not decided: their next ones are tried once only
    answers = [answer if answer and answer.strip() else None for answer in answers]
    places: dict[str | None, int] = {None: -1}
    for answer in filter(None, dict.fromkeys(answers)):
        hit, late = None, []
        for place, first in enumerate(firsts):
            if hit is None or (hit, place) in undecided:
                verdict = _verdict(answer, first, timeout, tries=1 if slow & {answer, first} else 2)
                if verdict is None:
                    late.append(place)
                    slow |= {answer, first}
                elif verdict and hit is None:
                    hit = place
                elif verdict:
                    same = [same[hit] if group == same[place] else group for group in same]
        if hit is None:
            hit = len(firsts)
            undecided |= {(place, hit) for place in late}
            same.append(hit)
            firsts.append(answer)
        places[answer] = hit
    if undecided:
        LOG.warning("%d pairs of answers could not be compared in time and count as different", len(undecided))
    groups = {group: number for number, group in enumerate(dict.fromkeys(same))}
    return [-1 if answer is None else groups[same[places[answer]]] for answer in answers]


def _own_answer(trace: Trace) -> str | None:
    """The answer of a trace, read with what it was given before it; none where what was given alone holds it."""
    answer, given = extract_answer(trace.text), trace.given_characters
    if answer and given and extract_answer(trace.text[:given]) == answer and not extract_answer(trace.text[given:]):
        return None
    return answer


def grade(traces: Sequence[Trace], timeout: float = 5.0) -> list[Trace]:
    """Copies of the traces with `answer`, `correct` and `undecided` set.

    A truncated trace has no answer, and one that stands in what was given to it alone (prefill) is not its own; no
    answer is not correct. An answer that `compare` cannot decide is not correct either, and marked; a warning counts
    them.
    """
    found = [None if trace.truncated else _own_answer(trace) for trace in traces]
    verdicts = compare(
        ((answer, trace.expected_answer) for answer, trace in zip(found, traces, strict=True) if answer), timeout
    )
    graded = []
    for answer, trace in zip(found, traces, strict=True):
        verdict = verdicts[answer, trace.expected_answer] if answer else False
        update = {"answer": answer, "correct": bool(verdict)}
        if verdict is None or trace.undecided:
            update["undecided"] = verdict is None
        graded.append(trace.model_copy(update=update))
    if count := sum(trace.undecided for trace in graded):
        said = "%d of %d answers could not be compared in time: undecided, counted as wrong"
        said += " (`longcot regrade` tries again)"
        LOG.warning(said, count, len(graded))
    return graded
