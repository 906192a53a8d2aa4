"""Untrusted text as safe HTML: what a model wrote shows as text, its formulas as MathML, and nothing of it acts.

    trace_html(trace.text, behaviour_spans(trace.text))    # for a page whose style sheet holds STYLE

Formulas are converted by math-core, which knows no links, styles or scripts and refuses what it does not know; its
MathML is checked here once more against a list of elements and attributes. What does not pass shows as text.
"""

import html
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from math_core import LatexError, LatexToMathML

from longcot.files.visible import visible

LONGEST = 2000  # characters of a formula; the longest of 75,000 in real traces has 1,100
NESTING = 300  # that many \ { [ ^ _ a formula: a deeper one could overflow the converter's stack; real ones have 172
ELEMENTS = frozenset(
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts "
    "mprescripts mtable mtr mtd mstyle mpadded mphantom menclose".split()
)
ATTRIBUTES = frozenset(  # of any of these elements; all are for the look of a formula, none is an address
    "display displaystyle scriptlevel stretchy symmetric largeop movablelimits accent accentunder fence separator form "
    "lspace rspace minsize maxsize width height depth voffset linethickness mathvariant notation class".split()
)
IN_TEXT = frozenset({"b", "em", "i", "u"})  # of \\textbf and such: left out, their text stays
CLASSES = frozenset({"left", "right"})  # of a cell
STYLE = """\
.trace { white-space: pre-wrap; overflow-wrap: anywhere; overflow-x: auto; unicode-bidi: isolate; }
.trace math { white-space: normal; }
mtd.left { text-align: left; justify-items: start; }
mtd.right { text-align: right; justify-items: end; }
mtd.right:has(+ mtd.left) { padding-right: 0; }
mtd.right + mtd.left { padding-left: 0; }
menclose { padding: 0.1em 0.2em; }
menclose[notation~="box"] { border: 1px solid; }
menclose[notation*="strike"] {
  background: linear-gradient(to bottom right, transparent 48%, currentcolor 48% 52%, transparent 52%);
}
mark { background: #fff0b3; color: inherit; }
"""

_CONVERTER = LatexToMathML(max_expansions=NESTING, fancy_error=False)
_DEFINITION = re.compile(r"\\(?:def|gdef|let|global|(?:new|renew|provide)command)(?![A-Za-z])")  # of macros
_DELIMITER = re.compile(r"\\\\|\\\$|\\\[|\\\]|\\\(|\\\)|\$\$|\$|\n[ \t\r]*\n")
_CLOSING = {"$": "$", "$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_PIECE = re.compile(r"<(?P<close>/?)(?P<tag>\w+)(?P<attributes>(?: [\w-]+=\"[^\"<>]*\")*)(?P<empty>/?)>|[^<>]+")
_ATTRIBUTE = re.compile(r" ([\w-]+)=\"([^\"]*)\"")
_ALIGNED = re.compile(r"text-align: (left|right)")
_VALUE = re.compile(  # words, and lengths too short to push a formula over the text around it
    r"true|false|block|inline|normal|prefix|infix|postfix|box|(?:(?:up|down)diagonal|horizontal|vertical)strike|left|"
    r"right|[+-]?\d|-?[01]?(?:\.\d+)?r?em|(?:\d|[123]\d)(?:\.\d+)?r?em|0|100%"
)


def trace_html(text: str, spans: Iterable[tuple[int, int, str]] = ()) -> str:
    """A `<div class="trace">` that shows a model's text, formulas between $, $$, \\( or \\[ as MathML.

    `spans` are (start, end, name) in characters of the text, end excluded, such as `behaviour_spans` gives; they may
    overlap. Each becomes `<mark class="NAME" title="NAME">`, spaces of a name as hyphens in its class; where several
    overlap the mark has the classes of all. A span that ends inside a formula takes in all of it.
    """
    found = list(formulas(text))
    changes = _changes(found, spans, len(text))
    out, active, at, next_formula = [], Counter[str](), 0, 0
    for cut in [*sorted(changes), len(text)]:
        inside = []
        while next_formula < len(found) and found[next_formula][0] < cut:
            start, end, mathml = found[next_formula]
            inside += [_text(text[at:start]), mathml]
            at, next_formula = end, next_formula + 1
        inside.append(_text(text[at:cut]))
        out.append(_marked("".join(inside), sorted(+active)))
        at = cut
        active.update(changes.get(cut, {}))
    return f'<div class="trace">{"".join(out)}</div>'


def pieces_html(pieces: Iterable[tuple[str, str, str]]) -> str:
    """A `<div class="trace">` of a text in pieces, (text, classes, title): those with classes are marked.

    Formulas stay as they were written, since a piece may be a part of one. The classes are the caller's own words.
    """
    marks = (
        f'<mark class="{html.escape(classes)}" title="{html.escape(visible(title))}">{_text(text)}</mark>'
        if classes
        else _text(text)
        for text, classes, title in pieces
    )
    return f'<div class="trace">{"".join(marks)}</div>'


@lru_cache(maxsize=20_000)  # traces of one run say the same formulas again and again
def formula_html(latex: str, display: bool = False) -> str | None:
    """The MathML of a formula without its delimiters; None where it does not convert, or is longer or deeper than any
    real one."""
    if not latex.strip() or len(latex) > LONGEST or len(re.findall(r"[\\{\[^_]", latex)) > NESTING:
        return None
    if _DEFINITION.search(latex) or visible(latex) != latex.replace("\r\n", "\n"):
        return None
    try:
        mathml = _CONVERTER.convert_with_local_state(latex, displaystyle=display)
    except LatexError:
        return None
    return _checked(mathml)


def _checked(mathml: str) -> str | None:
    """The MathML with nothing but ELEMENTS and ATTRIBUTES, or None where it holds anything else."""
    out, at = [], 0
    for piece in _PIECE.finditer(mathml):
        if piece.start() != at:
            return None
        at = piece.end()
        if not (tag := piece["tag"]):
            out.append(piece.group())
            continue
        if tag in IN_TEXT:
            continue
        if tag not in ELEMENTS:
            return None
        kept = ""
        for name, value in _ATTRIBUTE.findall(piece["attributes"]):
            if name == "style":  # left out, but for the alignment of a cell
                found = _ALIGNED.match(value)
                name, value = "class", found[1] if found else ""
            if name == "class" and value not in CLASSES:
                continue
            if name not in ATTRIBUTES or not _VALUE.fullmatch(value):
                return None
            kept += f' {name}="{value}"'
        out.append(f"<{piece['close']}{tag}{kept}>" + (f"</{tag}>" if piece["empty"] else ""))
    return "".join(out) if at == len(mathml) else None


def formulas(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, MathML) of each formula that converts, in one pass over the delimiters."""
    opened = None
    for found in _DELIMITER.finditer(text):
        token = found.group()
        if opened and token == _CLOSING[opened.group()] and _closes(text, found):
            mathml = formula_html(text[opened.end() : found.start()], token in ("$$", r"\]"))
            if mathml:
                yield opened.start(), found.end(), mathml
            opened = None
        elif token == "$" and opened and opened.group() != "$":
            continue  # of a \text{} inside
        elif token in _CLOSING:
            opened = found
        elif token[0] == "\n":
            opened = None


def _closes(text: str, found: re.Match[str]) -> bool:
    """Whether a delimiter may end a formula; a dollar sign may be one of money, as it is in Pandoc's rule."""
    before, after = text[found.start() - 1], text[found.end() : found.end() + 1]
    return found.group() != "$" or not (before.isspace() or after.isdigit())


def _changes(
    formulas: list[tuple[int, int, str]], spans: Iterable[tuple[int, int, str]], length: int
) -> dict[int, Counter[str]]:
    """At each place where a span begins or ends, by how many the spans of each name change; none inside a formula."""
    starts, ends = [start for start, _, _ in formulas], [end for _, end, _ in formulas]
    changes: dict[int, Counter[str]] = {}
    for start, end, name in spans:
        start, end = max(start, 0), min(end, length)
        if start >= end:
            continue
        first, last = bisect_right(ends, start), bisect_left(starts, end) - 1
        if first < len(formulas) and starts[first] < start:
            start = starts[first]
        if last >= 0 and ends[last] > end:
            end = ends[last]
        changes.setdefault(start, Counter())[name] += 1
        changes.setdefault(end, Counter())[name] -= 1
    return changes


def _marked(inside: str, names: list[str]) -> str:
    if not inside or not names:
        return inside
    classes = " ".join(re.sub(r"\W+", "-", name) for name in names)
    return f'<mark class="{html.escape(classes)}" title="{html.escape(visible(", ".join(names)))}">{inside}</mark>'


def _text(text: str) -> str:
    return html.escape(visible(text), quote=False)
