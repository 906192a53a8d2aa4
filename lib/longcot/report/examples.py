"""Traces to be read beside each other."""

import html
from collections.abc import Sequence

from longcot.figures.results import Result
from longcot.files.visible import visible
from longcot.report.safe_html import trace_html
from longcot.traces.trace import Trace


def _best_arm(results: Sequence[Result]) -> Result | None:
    """The fine-tuned arm that is right most often, or where none is fine-tuned the best arm but the main one."""
    others = [r for r in results if r.role == "fine-tuned"] or [r for r in results if r.role != "main"]
    return max(others, key=lambda r: sum(bool(t.correct) for t in r.traces) / len(r.traces), default=None)


def example_html(results: Sequence[Result], limit: int = 4000) -> str:
    """At most two problems, each with a trace of the main arm and one of the best fine-tuned arm, as safe HTML.

    They are not picked by hand: the first problem on which the main arm is wrong and the other right, and the first on
    which the other is wrong, going by first samples. A trace longer than `limit` characters is cut in its middle.
    Empty where there is no second arm.
    """
    main, other = next(result for result in results if result.role == "main"), _best_arm(results)
    if other is None:
        return ""
    firsts = [_first_rows(main), _first_rows(other)]
    pairs = [tuple(rows[name] for rows in firsts) for name in firsts[0] if name in firsts[1]]
    lost = [(a, b) for a, b in pairs if not other.traces[b].correct]
    won = [(a, b) for a, b in pairs if other.traces[b].correct and not main.traces[a].correct]
    parts = []
    for a, b in won[:1] + lost[:1]:
        trace = main.whole(a)
        parts += [f"<h4>Problem {_plain(trace.problem_id)}</h4>", trace_html(trace.problem)]
        parts += [_trace(main.arm.name, trace, limit), _trace(other.arm.name, other.whole(b), limit)]
    return "\n".join(parts)


def _first_rows(result: Result) -> dict[str, int]:
    """The row of each problem's first trace."""
    rows: dict[str, int] = {}
    for row, trace in enumerate(result.traces):
        rows.setdefault(trace.problem_id, row)
    return rows


def _trace(name: str, trace: Trace, limit: int) -> str:
    """A trace of the arm `name`: how it was graded, then its text, of which at most `limit` characters are shown."""
    text = trace.text
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
    tokens = "" if trace.completion_tokens is None else f", {trace.completion_tokens:,} tokens"
    tokens += f" after {trace.given_tokens:,} that were given" if trace.given_tokens else ""
    verdict = "correct" if trace.correct else "wrong"
    heading = f"{name}: {verdict}, answer {trace.answer or 'none'}, expected {trace.expected_answer}{tokens}"
    return f"<h5>{_plain(heading)}</h5>\n{trace_html(text)}"


def _plain(text: str) -> str:
    return html.escape(visible(text))
