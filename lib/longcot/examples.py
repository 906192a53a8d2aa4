"""Traces to be read beside each other, as plain text."""

from collections.abc import Sequence

from longcot.tables import Result
from longcot.traces import Trace, iter_traces


def _shown_arm(results: Sequence[Result]) -> Result | None:
    """The fine-tuned arm that is right most often, or where none is fine-tuned the best arm but the main one."""
    others = [r for r in results if r.role == "fine-tuned"] or [r for r in results if r.role != "main"]
    return max(others, key=lambda r: sum(bool(t.correct) for t in r.traces) / len(r.traces), default=None)


def example_texts(results: Sequence[Result], limit: int = 4000) -> list[str]:
    """At most two problems, each with a trace of the main arm and one of the best fine-tuned arm, to be printed.

    They are not picked by hand: the first problem on which the main arm is wrong and the other right, and the first on
    which the other is wrong, going by first samples. A trace longer than `limit` characters is cut in its middle.
    """
    main, other = next(result for result in results if result.role == "main"), _shown_arm(results)
    if other is None:
        return []
    firsts = {trace.problem_id: trace for trace in reversed(other.traces)}
    seen = {trace.problem_id: trace for trace in reversed(main.traces)}
    pairs = [(seen[name], firsts[name]) for name in reversed(seen) if name in firsts]
    won = [pair for pair in pairs if pair[1].correct and not pair[0].correct]
    lost = [pair for pair in pairs if not pair[1].correct]
    chosen = won[:1] + lost[:1]
    whole = [_whole(arm, [pair[i] for pair in chosen]) for i, arm in enumerate((main, other))]
    texts = []
    for a, b in zip(*whole, strict=True):
        told = [trace_text(main.arm.name, a, limit), trace_text(other.arm.name, b, limit)]
        texts.append("\n".join([_rule("problem " + printable(a.problem_id)), printable(a.problem), *told]))
    return texts


def _whole(result: Result, traces: Sequence[Trace]) -> list[Trace]:
    """The traces as they stand in the arm's file, with their texts."""
    keys = [trace.key for trace in traces]
    found = {trace.key: trace for trace in iter_traces(result.path) if trace.key in keys}
    return [found[key] for key in keys]


def trace_text(name: str, trace: Trace, limit: int) -> str:
    """A trace of the arm `name`: how it was graded, then its text, of which at most `limit` characters are shown."""
    text = trace.text
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
    tokens = "" if trace.completion_tokens is None else f", {trace.completion_tokens:,} tokens"
    verdict = "correct" if trace.correct else "wrong"
    said = f"{name}: {verdict}, answer {trace.answer or 'none'}, expected {trace.expected_answer}{tokens}"
    return f"{_rule(printable(said))}\n{printable(text)}"


def printable(text: str) -> str:
    """The text with every character that does not print, a terminal's escape among them, replaced by U+FFFD."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _rule(title: str) -> str:
    return f"── {title} " + "─" * max(3, 76 - len(title))
