"""An answer taken apart: brackets, lists, equations, inequalities, matrices. Text in, texts out; nothing is judged."""

import re
from itertools import pairwise, product

from longcot.grading.numerals import number

RELATION = re.compile(r"<=|>=|!=|<|>")
_NAME = (
    r"(?:\\?[A-Za-z]+|\\(?:angle|triangle|overline|widehat|measuredangle)\s*\{?[A-Za-z ]+\}?)"
    r"(?:_\{(?:[^{}]|\{[^{}]*\})*\})?'*"
)
_NAMES = rf"\(\s*{_NAME}(?:,\s*{_NAME})*\s*\)"
_PART = rf"\{{{_NAME}\s*(?:\({_NAME}\)|{_NAME})?\}}"
_LABEL = re.compile(  # x, f(x), (p, q), |AB|, \angle A, \frac{d x}{d t}, A : B
    rf"(?:\\Delta\s*)?(?:\|{_NAME}\||{_NAMES}|\\(?:angle|sin|cos|tan) ?{_NAME}|{_NAME}\s*(?:{_NAMES})?"
    rf"|\\frac{_PART}{_PART}|{_NAME}\s*:\s*{_NAME})"
)
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\{([pbvB]?matrix|array|cases)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}\s*[)\]]?", re.DOTALL
)


def bare(text: str) -> str:
    """Without marks around the whole: braces, parentheses around one thing."""
    text = text.strip()
    if text.startswith("{") and _closing(text, 0) < 0:
        text = text[1:].strip()
    while len(text) > 1 and (text[0] == "{" or (text[0] in "([" and not text.startswith("[\\begin"))):
        if _closing(text, 0) != len(text) - 1 or (
            text[0] != "{" and (len(split(text[1:-1])) > 1 or {"(": ")", "[": "]"}[text[0]] != text[-1])
        ):
            break
        text = text[1:-1].strip()
    return text


def _closing(text: str, start: int) -> int:
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return -1


def split(text: str, marks: str = ",;") -> list[str]:
    """The parts of a text between marks that stand outside of all brackets; empty ones are dropped."""
    parts, depth, start = [], 0, 0
    for i, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0 and sign in marks:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def sides_of(text: str) -> list[str]:
    """The sides of an equation, `x \\in S` being one too; an approximation after its exact value is dropped."""
    exact, *rest = re.split(r"\\approx(?![a-z])", text)
    if rest:
        text = exact if "=" in exact or not _LABEL.fullmatch(exact.strip()) else exact + "=" + rest[0]
    text = re.sub(r"\\in(?![a-z])", "=", text)
    return [side.replace("\0", "=") for side in split(re.sub(r"(?<![<>!:])=(?!=)", "\0", text), "\0")]


def elements(text: str, linked: bool = True) -> list[str]:
    """The elements of a list; ± stands for two, several of them in one element too, or for all choices of their signs.

    Of the numbers before dots the first two stand for those that go on in equal steps.
    """
    if text.startswith("\\{") and text.endswith("\\}") and _closing(text, 1) == len(text) - 1:
        text = text[2:-2]
    groups = split(text, ";")
    if len(groups) > 1 and all(
        len(split(group)) > 1 and all(len(sides_of(part)) > 1 for part in split(group)) for group in groups
    ):
        parts = ["(" + ",".join(sides_of(part)[-1] for part in split(group)) + ")" for group in groups]
    else:
        parts = [part for group in groups for part in split(group)]
    if comma_of(text) == "thousands":
        parts = split(text)
    if "..." in parts:
        parts = _with_dots(parts)
    return [version for part in parts for version in _plus_minus(part, linked)]


def _with_dots(parts: list[str]) -> list[str]:
    at = parts.index("...")
    numbers = [number(part) for part in parts]
    step = numbers[1].value - numbers[0].value if at > 1 and all(numbers[:2]) else 0
    head, tail = parts[:at], parts[at + 1 :]
    if step and all(numbers[:at]) and all(b.value - a.value == step for a, b in pairwise(numbers[:at])):
        head = head[:2]
        while len(tail) > 1 and numbers[-1] and numbers[-2] and numbers[-1].value - numbers[-2].value == step:
            del tail[-2], numbers[-2]
    return [*head, "...", *tail]


def _plus_minus(text: str, linked: bool) -> list[str]:
    pieces = re.split(r"\\(pm|mp)(?![a-z])", text)
    names = pieces[1::2]
    if not names:
        return [text]
    free = not linked and len(names) < 5 and "mp" not in names
    versions = []
    for signs in product("+-", repeat=len(names)) if free else ("+" * len(names), "-" * len(names)):
        pieces[1::2] = [
            {"+": "-", "-": "+"}[sign] if name == "mp" else sign for sign, name in zip(signs, names, strict=True)
        ]
        versions.append(re.sub(r"(^|[=({,])\s*\+", r"\1", "".join(pieces)))
    return versions


def value_of(text: str) -> str:
    """The value of a labelled one: `x = 2` is 2. A list is none."""
    sides = sides_of(text) if len(split(text)) == 1 else []
    return sides[-1] if len(sides) > 1 and _LABEL.fullmatch(sides[0]) else text


def labelled(sides: list[str]) -> tuple[str, str | None]:
    """(label, value), the label "" where there is none, the value None where it is an equation proper.

    A chain such as `a + b = 11 + 9 = 20` is a computation: its value is the last side.
    """
    if len(sides) == 1:
        return "", sides[0]
    if _LABEL.fullmatch(sides[0]) and not _equation_of_letters(sides[0]):
        return sides[0], sides[-1]
    if len(sides) == 2 and _LABEL.fullmatch(sides[1]) and number(sides[0]):
        return sides[1], sides[0]
    if len(sides) > 2 and number(sides[-1]):
        return "", sides[-1]
    if not any(re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", side)) for side in sides[len(sides) > 2 :]):
        return "", sides[-1]
    return "", None


def is_multiple(side: str) -> bool:
    """Whether it is a name with a factor or sign, such as 2x: what it equals is no answer yet."""
    return bool(_LABEL.fullmatch(side.lstrip("-+0123456789. ")))


def _equation_of_letters(side: str) -> bool:
    return bool(re.fullmatch(r"[a-z]{2,}", side))


def bracketed(text: str) -> tuple[str, list[str]] | None:
    """(its two brackets, its elements) of a tuple or an interval."""
    if len(text) < 3 or text[0] not in "([" or text[-1] not in ")]" or _closing(text, 0) != len(text) - 1:
        return None
    parts = split(text[1:-1])
    return (text[0] + text[-1], parts) if len(parts) > 1 else None


def matrix_rows(text: str) -> list[list[str]] | None:
    match = _MATRIX.fullmatch(text.strip())
    if match is None or "\\begin" in match[2]:
        return None
    rows = [row for row in re.split(r"\\\\", match[2]) if row.strip()]
    return [[cell.strip() for cell in row.split("&")] for row in rows]


def interval(text: str) -> tuple[str, str] | None:
    """(variable, interval) of `1 < x <= 2` or `x > 3`; ("", text) of an interval."""
    if bracketed(text):
        return "", text
    signs, parts = RELATION.findall(text), [part.strip() for part in RELATION.split(text)]
    if "!=" in signs or len(parts) not in (2, 3):
        return None
    if ">" in signs[0]:
        signs, parts = [sign.replace(">", "<") for sign in signs[::-1]], parts[::-1]
    if any(">" in sign for sign in signs):
        return None
    names = [bool(_LABEL.fullmatch(part)) and not number(part) for part in parts]
    if len(parts) == 3 and names[1]:
        ends = "(["["=" in signs[0]], ")]"["=" in signs[1]]
        return parts[1], f"{ends[0]}{parts[0]},{parts[2]}{ends[1]}"
    if len(parts) == 2 and names[0] != names[1]:
        at = "=" in signs[0]
        return (
            (parts[0], f"(-\\infty,{parts[1]}{')]'[at]}") if names[0] else (parts[1], f"{'(['[at]}{parts[0]},\\infty)")
        )
    return None


def comma_of(text: str) -> str:
    """Whether a comma in it may part digits ("thousands" or "decimal") or the elements of a list."""
    if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+", text):
        return "thousands"
    return "decimal" if re.fullmatch(r"-?\d+,\d{2,}", text) else ""


def same_label(c: str, r: str) -> bool:
    """The same name, the same letter with or without an index or argument, or y for f(x)."""
    heads = [re.sub(r"_\{.*|\s*\(.*|['\s]", "", label).lower() or label for label in (c, r)]
    function = [bool(re.match(r"\\?\w+\s*\(", label)) for label in (c, r)]
    flat = [re.sub(r"[_{}\s\\]", "", label).lower() for label in (c, r)]
    numbered = [re.findall(r"_\{(\d+)\}", label) for label in (c, r)]
    if all(numbered) and numbered[0] != numbered[1]:
        return False
    return heads[0] == heads[1] or flat[0] == flat[1] or (any(function) and "y" in heads)
