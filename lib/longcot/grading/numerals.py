"""Numbers read as numbers, exactly, and when one answers for another."""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

MAX_LENGTH = 5_000  # characters; no answer is longer, and beyond it only the same text is the same answer


@dataclass(frozen=True)
class Number:
    """An exact value; `step` is the last place of a decimal (0: none), `digits` counts its significant ones."""

    value: Fraction
    step: Fraction = Fraction(0)
    digits: int = 0
    percent: bool = False


_PLAIN = r"(?:[1-9]\d{0,2}(?:[, ]\d{3})+(?:\.\d*)?|\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})"
_TIMES = r"\s*(?:\\times|\\cdot|\*|x)\s*"
_DECIMAL = re.compile(rf"({_PLAIN})(?:[eE]([+-]?\d{{1,3}})|{_TIMES}10\^\{{([+-]?\d{{1,3}})\}})?", re.ASCII)
_POWER_OF_TEN = re.compile(r"10\^\{([+-]?\d{1,3})\}", re.ASCII)
_WHOLE = r"(?:(\d{1,3}(?: \d{3})+|\d+)(?: (?=\d+ ?/ ?\d)| ?(?=\\frac)))?"  # of a mixed number
_FRACTION = rf"\\frac\{{\s*([+-]?{_PLAIN})\s*\}}\{{\s*([+-]?{_PLAIN})\s*\}}"
_RATIO = re.compile(rf"{_WHOLE}(?:{_FRACTION}|({_PLAIN}) ?/ ?({_PLAIN}))", re.ASCII)
_SIGN = re.compile(r"([+-]?)\s*(.*?)\s*(%?)", re.DOTALL)


def number(text: str) -> Number | None:
    """The number that a normalised answer is: integer, decimal, scientific, fraction, mixed, each also in percent."""
    if len(text) > MAX_LENGTH:
        return None
    sign, body, percent = _SIGN.fullmatch(text.strip()).groups()
    if power := _POWER_OF_TEN.fullmatch(body):
        found = Number(Fraction(10) ** int(power[1]))
    elif decimal := _DECIMAL.fullmatch(body):
        groups = decimal[1].split(",")
        if len(groups) > 3 and all(float(a) < float(b) for a, b in pairwise(groups)):
            return None  # 98,118,122,142 is a list
        digits = re.sub("[, ]", "", decimal[1])
        scale = Fraction(10) ** int(decimal[2] or decimal[3] or 0)
        places = len(digits.partition(".")[2])
        significant = len(digits.replace(".", "").lstrip("0")) if places or scale != 1 else 0
        step = scale / 10**places if places or scale != 1 else Fraction(0)
        found = Number(Fraction(digits.rstrip(".") or "0") * scale, step, significant)
    elif ratio := _RATIO.fullmatch(body):
        top, bottom = (
            Fraction(re.sub("[, ]", "", part).rstrip(".")) for part in (ratio[2] or ratio[4], ratio[3] or ratio[5])
        )
        if bottom == 0 or (ratio[1] and not (0 <= top < bottom)):
            return None
        found = Number(int((ratio[1] or "0").replace(" ", "")) + top / bottom)
    else:
        return None
    value = -found.value if sign == "-" else found.value
    return Number(value, found.step, found.digits, bool(percent))


def _rounds_to(decimal: Number, value: Fraction) -> bool:
    """Whether the value, rounded or cut off at the last place of the decimal, is the decimal."""
    cut = abs(value) - abs(decimal.value)
    return abs(value - decimal.value) <= decimal.step / 2 or (0 <= cut < decimal.step and value * decimal.value > 0)


def same_number(candidate: Number, reference: Number) -> bool:
    """Whether a number answers for another one.

    Exact values must be the same. A decimal answers for an exact value that is no integer from six significant digits
    on, all of them right; a decimal reference of at least four is answered by any more precise value that it is the
    rounding of. x% is x/100, and also x where the other one has no percent sign (the problem asks for a percentage).
    """
    if candidate.percent != reference.percent:
        plain = [Number(n.value, n.step, n.digits) for n in (candidate, reference)]
        whole = [Number(n.value / 100, n.step / 100, n.digits) if n.percent else n for n in (candidate, reference)]
        return same_number(*plain) or same_number(*(Number(n.value, n.step, n.digits) for n in whole))
    a, b = candidate, reference
    if a.value == b.value:
        return True
    if max(a.digits, b.digits) >= 12 and abs(a.value - b.value) <= abs(b.value) / 10**11:
        return True
    if not b.step and b.value.denominator == 1:
        return False
    if a.digits >= 6 and a.step > b.step and _rounds_to(a, b.value):
        return True
    return b.step > a.step and b.digits >= 4 and _rounds_to(b, a.value)
