"""Traces as HTML to be read beside each other. All that a model or a data set wrote goes through `untrusted`."""

import html
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from longcot.files.visible import visible
from longcot.grading.extraction import boxes
from longcot.report.safe_html import STYLE as TRACE_STYLE
from longcot.report.safe_html import trace_html
from longcot.traces.behaviours import BEHAVIOURS, behaviour_spans
from longcot.traces.trace import Trace

ANSWER = "final answer"
# Tints and lines of Okabe and Ito's colours; each with a line of its own, so that no reader needs the colour.
LOOKS = {
    "verification": "background: #cde7f9; border-bottom: 2px solid #0072b2;",
    "backtracking": "background: #ffd8bf; border-bottom: 4px double #d55e00;",
    "subgoal setting": "background: #c8eddf; border-bottom: 2px dotted #009e73;",
    "backward chaining": "background: #f5d9ea; border-bottom: 2px dashed #b3588c;",
    "exploration of alternatives": "background: #fdf0c0; border-bottom: 1px solid #a87400;",
    "hedging": "background: #e4e4e4; border-bottom: 1px dotted #595959;",
    ANSWER: "background: none; outline: 2px solid; font-weight: bold;",
}
_RULES = "".join(
    f"mark.{name.replace(' ', '-')} {{ {look} {'color: inherit;' if name == ANSWER else 'color: #1a1a1a;'} }}\n"
    for name, look in LOOKS.items()
)
STYLE = f"""<style>.longcot {{
line-height: 1.5;
{TRACE_STYLE}{_RULES}
pre {{ margin: 0; padding: 0; border: 0; background: none; font: inherit; white-space: normal; word-break: normal; }}
.stripped {{ display: none; }}
.side {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
.card {{ flex: 1 1 18rem; min-width: 0; }}
.trace {{ max-height: 12rem; overflow-y: auto; }}
.reading .trace {{ max-height: 34rem; padding: 0.3rem 0.5rem; border: 1px solid #bbb; }}
.facts {{ margin: 0 0 0.3rem; }}
.facts b.right {{ color: #005a8c; }}
.facts b.wrong {{ color: #a84300; }}
.scroll {{ overflow-x: auto; }}
code {{ overflow-wrap: anywhere; }}
.at {{ margin: 0.2rem 0; }}
.place {{ user-select: all; cursor: copy; }}
[data-jp-theme-light="false"] & .facts b.right {{ color: #7cc4f0; }}
[data-jp-theme-light="false"] & .facts b.wrong {{ color: #ffa86b; }}
table {{ white-space: nowrap; }}
th, td:first-child, td:last-child {{ text-align: left; }}
}}</style>"""
_SIGNS = {True: '<b class="right">✓ correct</b>', False: '<b class="wrong">✗ wrong</b>', None: "<b>not graded</b>"}


def whole(*parts: str) -> str:
    """Parts of a page as one piece of HTML. MathJax, which JupyterLab has for other outputs, is kept off it."""
    return f'<div class="longcot tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def plain(text: object) -> str:
    """A text as HTML that shows it: a name, an answer, an id."""
    return html.escape(visible(str(text)))


def place_html(place: str) -> str:
    """Where a trace stands, `file:line`; one click selects all of it, to be copied."""
    return f'<p class="at"><code class="place" title="a click selects it, to be copied">{plain(place)}</code></p>'


def legend() -> str:
    """What the highlights mean."""
    marks = " ".join(_mark(name, name) for name in LOOKS)
    return f"<p>Highlighted: {marks}; where several overlap, the mouse held over the place tells all.</p>"


def _kept_lines(text: str) -> str:
    """HTML whose line ends count, also where the style sheet was taken out."""
    return f"<pre>{text}</pre>"


def _mark(name: str, text: str) -> str:
    return f'<mark class="{name.replace(" ", "-")}">{text}</mark>'


def problem_html(trace: Trace) -> str:
    """The problem of a trace, with its id and the expected answer."""
    return (
        f"<p><b>{plain(trace.problem_id)}</b>, expected answer <code>{plain(trace.expected_answer)}</code></p>"
        + _kept_lines(trace_html(trace.problem))
    )


def trace_facts(trace: Trace) -> str:
    """The grade and the length of a trace in a line."""
    answer = "no answer" if trace.answer is None else f"answer <code>{plain(trace.answer)}</code>"
    length = f"{len(trace.text):,} characters"
    if trace.completion_tokens is not None:
        given = f" after {trace.given_tokens:,} that were given" if trace.given_tokens else ""
        length = f"{trace.completion_tokens:,} tokens{given}, {length}"
    ended = f"ended by <code>{plain(trace.finish_reason)}</code>" if trace.finish_reason else "end not stated"
    sign = "<b>? undecided</b>" if trace.undecided else _SIGNS[trace.correct]
    return f"{sign}, {answer}, expected <code>{plain(trace.expected_answer)}</code>; {length}; {ended}"


def card(trace: Trace, highlighted: Sequence[str] = BEHAVIOURS) -> str:
    """A trace with its grade, how often it shows each behaviour, and its text, behaviours and final answer marked."""
    spans = behaviour_spans(trace.text)
    counts = Counter(span.behaviour for span in spans)
    shown = [
        f'<mark class="{name.replace(" ", "-")}">{name} {counts[name]}</mark>' for name in BEHAVIOURS if counts[name]
    ]
    marks = [tuple(span) for span in spans if span.behaviour in highlighted] + answer_spans(trace)
    return (
        f'<p class="facts">{trace_facts(trace)}</p><p class="facts">{" ".join(shown) or "No behaviour found."}</p>'
        + f'<div class="reading">{_kept_lines(trace_html(trace.text, marks))}</div>'
    )


def answer_spans(trace: Trace) -> list[tuple[int, int, str]]:
    """The last box that holds the answer that was graded, or part of it; none where the answer was not in a box."""
    if not trace.answer or "box" not in trace.text:
        return []
    found = ((start, end, ANSWER) for start, end, inside in reversed(boxes(trace.text)) if inside in trace.answer)
    return list(found)[:1]


def stripped_note() -> str:
    """A line that a reader sees only where the style sheet was taken out."""
    return (
        '<p class="stripped">JupyterLab does not trust this copy and shows it without colours and with the layout of '
        "formulas lost. Choose <i>Trust Notebook</i> in the command palette to see both.</p>"
    )


def visible_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table of problems with every character made visible, ids cut to fit. Not yet HTML: who shows it escapes it."""
    shown = table.reset_index().rename(columns=visible)
    for name, most in (("problem", 40), ("text", 80)):
        texts = [" ".join(text.split()) for text in shown[name].astype(str)]
        shown[name] = [visible(text[:most]) + ("…" if len(text) > most else "") for text in texts]
    return shown


def problems_html(table: pd.DataFrame, limit: int) -> str:
    """The first rows of a table of problems."""
    shown = visible_table(table.head(limit))
    return f'<div class="scroll">{shown.to_html(index=False, na_rep="", border=0, escape=True)}</div>'


def side_by_side(traces: Sequence[tuple[str, Trace]]) -> str:
    """The traces of several arms, (arm, trace), in columns, or below each other where the page is narrow."""
    cards = [
        f'<div class="card"><p class="facts"><b>{plain(arm)}</b>, sample {trace.sample} {plain(trace.stage)}</p>'
        f"{card(trace)}</div>"
        for arm, trace in traces
    ]
    return f'<div class="side">{"".join(cards)}</div>'
