"""Pieces of mathematics in a sentence: formulas, numbers, lists of them, and what a chain of equalities comes to."""

import re

from longcot.grading.notation import split

# what may stand between two boxes, or two pieces of mathematics, that are one answer: "\boxed{1} and x_2 = \boxed{2}"
JOINT = re.compile(r"(?:[\s$,;&()]|\\[()\[\] ,;]|\\q?quad|\\text\{[^{}]*\}|and\b|or\b|[A-Za-z](?:_\{?\w\}?)?\s*=)*")
MATHS = re.compile(r"(?<!\\)\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\(([^\n]+?)\\\)|(?<!\\)\$([^$\n]+?)(?<!\\)\$", re.DOTALL)
NUMERAL = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
_TUPLE = r"[(\[]-?[\d./]+(?:, ?-?[\d./]+)+[)\]]"
_TIME = r"\d{1,2}:\d\d(?: ?[AaPp]\.?[Mm]\b\.?)?"
_VALUE = rf"[-+]?(?:{_TIME}|{NUMERAL}(?: \d+/\d+|/\d+)?(?:\\?%)?|{_TUPLE}|\\frac\{{\d+\}}\{{\d+\}})"
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.^{{\\]){_VALUE}(?!\d*\^)")
_NOT_THAT = re.compile(rf"\b(?:not|rather than|instead of)\s+(?:{_VALUE}|\$[^$]+\$)(?: \w+)?\W*$")

_RUN = re.compile(  # mathematics without a word; "a" and "I" before one are words
    r"(?:\\[A-Za-z]+|\\[{},;! ]|(?:sqrt|pi|sin|cos|tan|log|ln|exp|and|or|inf|infinity)(?![A-Za-z])"
    r"|(?<=\d)[a-z]{1,3}(?![A-Za-z])|(?! (?:a|I) [A-Za-z])[^A-Za-z\\]|(?<![A-Za-z])[A-Za-z](?![A-Za-z']))*"
)
_GOES_ON = re.compile(  # after a number: it is no more than the beginning of an expression, or of a list
    r"\s*!?\s*(?:[-+*/^=<>×·÷≤≥≠±√π≈∪∩]|[xX]\s*[\d$(]|\\(?:times|cdot|div|pm|sqrt|frac|pi|leq?|geq?|cup|cap)|:\d"
    r"|(?:sqrt|pi|ln|log|sin|cos|tan)(?![A-Za-z])"
    r"|[a-fi-kn-rt-z](?![A-Za-z])|\s[A-Za-z]\s*[-+*/^=<>]|\\text\{\s*(?:and|or)\b"
    r"|(?:,|;|,?\s*\b(?:and|or)\b)\s*[-\d(\[])|\("
)
_SO = re.compile(r"[\s,;]*\b(?:so|thus|hence|therefore|i\.e\.|that is|giving|which (?:is|equals|gives|means))\b[\s,:]*")
_LABEL = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?(?:\([^()]*\))?")  # x, f(x), P(X = 2)
_CHOICE = re.compile(r"\(?[A-H](?:\)|[.:])\s|\(?([A-H])\)?(?=[,;]?\s+(?:because|since|as|which|not)\b)")
_LONGEST = 400  # characters of a statement that are looked at
_BOLD = re.compile(r"\*\*([^*\s][^*]*)\*\*")
_COUNTED = re.compile(  # the things of a count: 3 eggs x 4 days = 12 eggs
    r"(?<=\d)\s*(?!(?:and|or|so|thus|hence|which|that|because|since|as|is|if|for|where|when|times|plus|minus|divided)\b)"
    r"[A-Za-z]{2,}(?![A-Za-z({])(?:\^\{?-?\d\}?|[²³])?(?:/[a-z]+)?"
)
_OPERATION = r"\d\s*[-+*/^<>(\\]|\d[A-Za-z]|[<>≤≥]"
_IN_WORDS = {"times": r"\\times", "of": r"\\times", "plus": "+", "minus": "-", "divided by": "/"}


def inside(match: re.Match) -> str:
    """What a piece of mathematics says, without the marks around it."""
    return next((group for group in match.groups() if group), match[0]).strip()


def last_piece(text: str) -> str | None:
    """The last mathematics or number of a text; in "3 apples, not 5" it is the 3."""
    other = _NOT_THAT.search(text)
    return (other and _last_piece(text[: other.start()])) or _last_piece(text)


def _last_piece(text: str) -> str | None:
    maths = list(MATHS.finditer(text))
    numbers = [
        found
        for found in _NUMBER.finditer(text)
        if not any(m.start() < found.end() and found.start() < m.end() for m in maths)
    ]
    if numbers and (not maths or numbers[-1].start() > maths[-1].start()):
        return numbers[-1][0]
    return _joined(text, maths) if maths else None


def _joined(text: str, pieces: list[re.Match], first: bool = False) -> str:
    """The last (or first) piece of mathematics with those it is joined with, and the percent sign or unit after it."""
    pieces = pieces if first else pieces[::-1]
    parts, end = [inside(pieces[0])], pieces[0]
    last = pieces[0]
    for piece in pieces[1:]:
        gap = text[end.end() : piece.start()] if first else text[piece.end() : end.start()]
        if not gap.strip() or not JOINT.fullmatch(gap) or "\n" in gap:
            break
        parts.append(inside(piece))
        end = piece
        last = piece if first else last
    unit = re.match(r"\s*(%|percent\b|pct\b)", text[last.end() :])
    return ", ".join(parts if first else parts[::-1]) + (" " + unit[1] if unit else "")


def first_piece(text: str) -> str | None:
    """The mathematics that a text begins with, such as what follows "the answer is"; of its first sentence the last.

    A chain of equalities is its last side where it computes a number: 3 x 4 = 12 and x = 5, but not y = 2x + 3.
    """
    maths = MATHS.match(text)
    if maths and not re.search(r"[-+*/=<>]\s*$", inside(maths)) and not re.match(r"\s*[=≈]", text[maths.end() :]):
        return _joined(text, [maths, *MATHS.finditer(text, maths.end())], first=True)
    head = first_sentence(_BOLD.sub(r"\1", text[:_LONGEST]))
    for words, sign in _IN_WORDS.items():
        head = re.sub(rf"(?<=[\d)%])\s+{words}\s+(?=[\d($])", f" {sign} ", head)
    number = _NUMBER.match(head)
    if number and "=" in head:
        head = _COUNTED.sub("", head)
    if number and not _GOES_ON.match(head, number.end()):
        return _joined(head, [number, *MATHS.finditer(head, number.end())], first=True)
    if choice := _CHOICE.match(head):
        return choice[1] or (head if len(head) < 100 else None)
    found = None if "boxed" in head else _value(head)  # a box that was cut
    return found or (number[0] if number else last_piece(head))


def first_sentence(text: str) -> str:
    """A text up to the end of its first sentence or line, without marks of type around it."""
    return re.split(r"\n|(?<=[^\d\s])[.。](?:\s|$)|(?<=\d)\.(?:\s|$)", text)[0].strip(" *_")


def _value(head: str) -> str | None:
    """What the mathematics comes to that a sentence without formulas begins with, or is."""
    head = re.sub(r"(?<=[\d)])\s*[xX]\s*(?=[\d($])", r" \\times ", re.sub(r"\$|\\[()\[\]]", " ", head))
    head = re.sub(r"\^(-?\d\d+)", r"^{\1}", head)  # in plain text 2^10 is no 2^1 0
    run = _RUN.match(head)
    after = head[run.end() :].strip(" .!?*_")
    if after and (so := _SO.match(after)) and (found := first_piece(after[so.end() :])):
        return found
    text = re.sub(r"(?:\s*(?:\b(?:and|or)\b|[,;:=&*/+.(-]))+\s*$", "", run[0]).strip(" ,;:=*_!?")
    listed = re.split(r"[,;]\s*(?:and\b|or\b)?|\b(?:and|or)\b", text)
    if len(listed) > 1 and all("=" in one for one in listed):
        labelled = all(_LABEL.fullmatch(one.partition("=")[0].strip()) for one in listed)
        return text if labelled else _value(listed[-1])
    exact, *rounded = re.split(r"≈|\\approx(?![a-z])", text)
    if rounded:
        text = f"{exact} = {rounded[0]}" if _LABEL.fullmatch(exact.strip()) else exact
    sides = [side.strip(" ,;") for side in split(re.sub(r"(?<![<>!])=", "\0", text), "\0")]
    if len(sides) < 2:  # what words follow has to be an expression: "3 and 5 pears" is a list of things
        whole = not after or after == "respectively"
        return text if re.search(r"[\d<>≤≥(\\]" if whole else _OPERATION, text) else None
    if _LABEL.fullmatch(sides[0]):
        found = _NUMBER.match(sides[-1])
        return found[0] if found and not re.search(r"[-+*/^\\A-Za-z(,]", sides[-1][found.end() :]) else text
    if any(re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+|sqrt|pi", "", side)) for side in sides[:-1]):
        return text
    return sides[0] if _NUMBER.fullmatch(sides[0]) else re.sub(r"(?<=\d)\s*[msghlJNWVKLA]$", "", sides[-1])  # 5 m
