"""Traces to be read beside each other."""

import html
from collections.abc import Sequence

from longcot.figures.results import Result
from longcot.files.visible import visible
from longcot.report.safe_html import trace_html
from longcot.traces.trace import Trace, iter_traces


def _shown_arm(results: Sequence[Result]) -> Result | None:
    """The fine-tuned arm that is right most often, or where none is fine-tuned the best arm but the main one."""
    others = [r for r in results if r.role == "fine-tuned"] or [r for r in results if r.role != "main"]
    return max(others, key=lambda r: sum(bool(t.correct) for t in r.traces) / len(r.traces), default=None)


def example_html(results: Sequence[Result], limit: int = 4000) -> str:
    """At most two problems, each with a trace of the main arm and one of the best fine-tuned arm, as safe HTML.

    They are not picked by hand: the first problem on which the main arm is wrong and the other right, and the first on
    which the other is wrong, going by first samples. A trace longer than `limit` characters is cut in its middle.
    """
    main, other = next(result for result in results if result.role == "main"), _shown_arm(results)
    if other is None:
        return "<p>There is no second arm to read beside the main one.</p>"
    firsts = {trace.problem_id: trace for trace in reversed(other.traces)}
    seen = {trace.problem_id: trace for trace in reversed(main.traces)}
    pairs = [(seen[name], firsts[name]) for name in reversed(seen) if name in firsts]
    won = [pair for pair in pairs if pair[1].correct and not pair[0].correct]
    lost = [pair for pair in pairs if not pair[1].correct]
    chosen = won[:1] + lost[:1]
    whole = [_whole(arm, [pair[i] for pair in chosen]) for i, arm in enumerate((main, other))]
    parts = []
    for a, b in zip(*whole, strict=True):
        parts += [f"<h3>Problem {_plain(a.problem_id)}</h3>", trace_html(a.problem)]
        parts += [_trace(main.arm.name, a, limit), _trace(other.arm.name, b, limit)]
    return "\n".join(parts)


def _whole(result: Result, traces: Sequence[Trace]) -> list[Trace]:
    """The traces as they stand in the arm's file, with their texts."""
    keys = [trace.key for trace in traces]
    found = {trace.key: trace for trace in iter_traces(result.path) if trace.key in keys}
    return [found[key] for key in keys]


def _trace(name: str, trace: Trace, limit: int) -> str:
    """A trace of the arm `name`: how it was graded, then its text, of which at most `limit` characters are shown."""
    text = trace.text
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
    tokens = "" if trace.completion_tokens is None else f", {trace.completion_tokens:,} tokens"
    verdict = "correct" if trace.correct else "wrong"
    said = f"{name}: {verdict}, answer {trace.answer or 'none'}, expected {trace.expected_answer}{tokens}"
    return f"<h4>{_plain(said)}</h4>\n{trace_html(text)}"


def _plain(text: str) -> str:
    return html.escape(visible(text))
