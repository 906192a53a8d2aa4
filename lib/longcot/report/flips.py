"""The page of flips: traces whose tokens are coloured by how far a fine-tuned model parts there from its base."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from longcot.files.visible import visible
from longcot.files.writing import write_whole
from longcot.models.token_kinds import token_texts
from longcot.report.safe_html import STYLE as TRACE_STYLE
from longcot.report.safe_html import pieces_html, trace_html
from longcot.traces.trace import Trace

LEVELS = {0.1: "#fff3cf", 0.5: "#ffe08a", 1.0: "#ffbf66", 2.0: "#ff9a4d", 4.0: "#f4743b"}  # from so many nats on
SHOWN, LONGEST = 20, 4000  # traces of a page, and tokens of one of them
RULES = f"""{TRACE_STYLE}.trace mark {{ background: none; color: #1a1a1a; }}
.trace mark.flip {{ text-decoration: underline 2px #0072b2; text-underline-offset: 3px; }}
""" + "".join(
    f".trace mark.level-{place} {{ background: {colour}; }}\n" for place, colour in enumerate(LEVELS.values(), 1)
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0; background: #fff; color: #1a1a1a; font: 16px/1.6 system-ui, "DejaVu Sans", sans-serif; }}
main {{ max-width: 56rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }}
.trace {{ padding: 0.6rem 0.8rem; background: #f6f6f6; font-size: 0.9rem; }}
h2 {{ margin-top: 2rem; font-size: 1.1rem; overflow-wrap: anywhere; }}
{rules}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def legend() -> str:
    """What colours and lines mean."""
    marks = [f'<mark class="level-{place}">from {nats:g}</mark>' for place, nats in enumerate(LEVELS, 1)]
    return (
        '<p class="trace">Divergence of the two models at a token, in nats: '
        + " ".join(marks)
        + '. <mark class="flip">Underlined</mark>: their first choices differ. The mouse held over a token tells more.'
        "</p>"
    )


def flips_html(tokens: pd.DataFrame, tokenizer: Any) -> str:
    """The response of one trace, the rows of it in a `locate.token_table`, as safe HTML."""
    rows = list(tokens.head(LONGEST).itertuples())
    texts = token_texts(tokenizer, [row.token for row in rows])
    words = {
        number: repr(tokenizer.decode([number])) for row in rows for number in (row.base_choice, row.adapter_choice)
    }
    pieces = []
    for text, row in zip(texts, rows, strict=True):
        level = sum(row.divergence >= nats for nats in LEVELS)
        classes = " ".join([f"level-{level}"] * bool(level) + ["flip"] * bool(row.flip))
        told = f"{row.divergence:.2f} nats ({row.kind}); first choice of the base {words[row.base_choice]}, with the "
        told += f"adapter {words[row.adapter_choice]}; rank of this token {row.base_rank}, then {row.adapter_rank}"
        pieces.append((text, classes, told))
    if len(tokens) > len(rows):
        pieces.append((f"\n[… {len(tokens) - len(rows):,} more tokens]", "", ""))
    return pieces_html(pieces)


def shown_html(*parts: str) -> str:
    """Parts of the page for a notebook. MathJax, which JupyterLab has for other outputs, is kept off them."""
    style = f"<style>.flips {{\nline-height: 1.6;\n{RULES}}}</style>"
    return f'{style}<div class="flips tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def trace_section(trace: Trace, tokens: pd.DataFrame, tokenizer: Any) -> str:
    """A trace with its problem, how much of it flips, and `flips_html`."""
    own = tokens[tokens["problem_id"] == trace.problem_id]
    told = f"{len(own):,} tokens, {own['flip'].mean():.1%} flip, mean divergence {own['divergence'].mean():.3f} nats; "
    told += f"answer {trace.answer or 'none'}, expected {trace.expected_answer}"
    return (
        f"<h2>{_plain(trace.problem_id)}</h2>{trace_html(trace.problem)}<p>{_plain(told)}</p>"
        f"{flips_html(own, tokenizer)}"
    )


def write_flips(path: Path, title: str, traces: Sequence[Trace], tokens: pd.DataFrame, tokenizer: Any) -> Path:
    """Write the page of the first `SHOWN` of the traces; it holds no script and loads nothing. Returns its path."""
    sections = [trace_section(trace, tokens, tokenizer) for trace in traces[:SHOWN]]
    body = "\n".join([f"<p>{len(sections)} of {len(traces)} traces.</p>", legend(), *sections])
    write_whole(path, PAGE.format(title=_plain(title), rules=RULES, body=body))
    return path


def flip_table(tokens: pd.DataFrame, tokenizer: Any, most: int = 15) -> pd.DataFrame:
    """The commonest flips: the first choice of the base, that of the adapter, how often, and the mean divergence."""
    flips = tokens[tokens["flip"] == 1].groupby(["base_choice", "adapter_choice"])
    counted = flips["divergence"].agg(["size", "mean"]).reset_index().nlargest(most, "size")
    for name in ("base_choice", "adapter_choice"):
        counted[name] = [visible(repr(tokenizer.decode([number]))) for number in counted[name]]
    return counted.rename(columns={"size": "flips", "mean": "divergence"}).reset_index(drop=True)


def _plain(text: str) -> str:
    return html.escape(visible(text))
