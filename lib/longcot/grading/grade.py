"""The final answer out of a text, whether two answers are the same, and grading of traces.

`regrade` grades a file of traces again, without sampling again; the command for it is `longcot regrade`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from longcot.grading.answers import quick
from longcot.grading.extraction import extract_answer
from longcot.grading.worker import POOL
from longcot.traces.trace import Trace


def is_equivalent(candidate: str, reference: str, timeout: float = 5.0) -> bool:
    """Whether two answers are the same mathematically, `reference` being the expected one.

    Never raises on any text, and never takes longer than `timeout` in seconds: what is not decided by then, or does
    not fit into memory, is not equivalent. Plain numbers and the same text are compared in place; anything else in a
    worker process. The first such call waits for the process to start (half a second on an idle machine), and that
    counts: with a shorter timeout call `longcot.grading.worker.POOL.start()` before, as `grade` and `group_equivalent`
    do. An empty answer, and one that is no text, is never right.
    """
    if not isinstance(candidate, str) or not isinstance(reference, str):
        return False
    known = quick(candidate, reference)
    return bool(POOL.ask(candidate, reference, timeout)) if known is None else known


def _verdict(candidate: str, reference: str, timeout: float) -> bool:
    """`is_equivalent`, with the start of the workers beside the timeout: a busy machine must not make answers wrong."""
    if quick(candidate, reference) is None:
        POOL.start()
    return is_equivalent(candidate, reference, timeout)


def group_equivalent(answers: Sequence[str | None], timeout: float = 5.0) -> list[int]:
    """An id for each answer, the same for equivalent ones: 0, 1, … in order of first appearance, -1 for no answer.

    Each answer is compared with the first of every group. An empty answer is none.
    """
    firsts: list[str] = []
    answers = [answer if answer and answer.strip() else None for answer in answers]
    ids: dict[str | None, int] = {None: -1}
    for answer in answers:
        if answer not in ids:
            found = (i for i, first in enumerate(firsts) if _verdict(answer, first, timeout))
            ids[answer] = next(found, len(firsts))
            if ids[answer] == len(firsts):
                firsts.append(answer)
    return [ids[answer] for answer in answers]


def grade(traces: Sequence[Trace], timeout: float = 5.0) -> list[Trace]:
    """Copies of the traces with `answer` and `correct` set.

    A trace that was cut (`Trace.cut`) has no answer; no answer is not correct. Each distinct pair of
    answer and reference is compared once, several at a time, `timeout` seconds each.
    """
    found = [None if trace.cut else extract_answer(trace.text) for trace in traces]
    pairs = {(answer, trace.expected_answer): None for answer, trace in zip(found, traces, strict=True) if answer}
    verdicts = {pair: quick(*pair) for pair in pairs}
    open_pairs = [pair for pair, verdict in verdicts.items() if verdict is None]
    if open_pairs:
        with ThreadPoolExecutor(POOL.count) as threads:
            done = threads.map(lambda pair: _verdict(*pair, timeout), open_pairs)
            verdicts.update(zip(open_pairs, done, strict=True))
    return [
        trace.model_copy(update={"answer": answer, "correct": bool(answer and verdicts[answer, trace.expected_answer])})
        for answer, trace in zip(found, traces, strict=True)
    ]
