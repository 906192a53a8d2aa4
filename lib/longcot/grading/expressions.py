"""Whether two expressions or equations are the same, read by Math-Verify's parser and compared by their values.

Two expressions in variables are the same where they agree at random points to 25 digits (Schwartz 1980, J. ACM 27:701,
for polynomials); that is quicker than simplifying, and finds more.
"""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

from longcot.grading.numerals import same_number
from longcot.grading.parsing import constant, parsed, renamed, variables

_DIGITS = 25


def same_expression(c: str, r: str) -> bool:
    """Whether two expressions have the same value everywhere. False for what the parser does not take for one."""
    try:
        if not variables(c) and not variables(r) and all(values := [constant(text) for text in (c, r)]):
            (one, exact), (other, too) = values
            close = not (exact and too) and abs(one.value - other.value) * 10**30 <= abs(other.value)
            return close or same_number(one, other)
        return _same_by(_namings(c, r), c, r) or _same_by(_constants_renamed(c, r), c, r)
    except MemoryError:  # not decided
        raise
    except Exception:  # the parser's and SymPy's errors share no base class
        return False


def _same_by(namings: Iterator[tuple[dict, dict]], c: str, r: str) -> bool:
    return any(
        _agree(parsed(renamed(c, ours)), parsed(renamed(r, theirs)), len(ours), _tolerance(r))
        for ours, theirs in namings
    )


def _namings(c: str, r: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    r"""A name that the parser takes for each variable, in each way in which the candidate's may be meant.

    Capital and small letters are one where neither side has both, and the integer in the period of an angle (k\pi) may
    be any letter.
    """
    ours, theirs = map(variables, (c, r))
    names = {key: f"x_{{{i}}}" for i, key in enumerate(sorted({*ours, *theirs}), 1)}
    yield names, names
    folded = {key.casefold(): key for key in theirs}
    odd = [key for key in ours if key not in theirs]
    if odd and all(folded.get(key.casefold()) not in (None, *ours) for key in odd):
        yield names | {key: names[folded[key.casefold()]] for key in odd}, names
    if len({*ours}) == len({*theirs}) == 1 and all(map(_PERIOD.search, (c, r))):
        yield {ours[0]: "x_{1}"}, {theirs[0]: "x_{1}"}


_PERIOD = re.compile(r"(?:\\pi|\^\{\\circ\})\s*[klmn](?![A-Za-z])|(?<![A-Za-z\\])[klmn]\s*(?:\\cdot\s*)?\\pi")


def _constants_renamed(c: str, r: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Namings with the constants of integration in every order.

    Constants are that, and not givens, where the expression is linear in them and the factors of several depend on one
    common variable.
    """
    ours, theirs = map(variables, (c, r))
    constants = [sorted(key for key in {*keys} if re.fullmatch(r"[cC](_?\d)?", key)) for keys in (ours, theirs)]
    if not 0 < len(constants[0]) == len(constants[1]) <= 4:
        return
    names = {key: f"x_{{{i}}}" for i, key in enumerate(sorted({*ours, *theirs}), 1)}
    expression = parsed(renamed(r, names))
    symbols = {_index_of(symbol): symbol for symbol in expression.free_symbols}
    places = [symbols[int(names[key][3:-1])] for key in constants[1]]
    factors = [expression.diff(place).free_symbols for place in places]
    if any(factor & {*places} for factor in factors):
        return
    if len(places) > 1 and not set.intersection(*[factor for factor in factors if factor] or [set()]):
        return
    for order in permutations(constants[1]):
        yield names | {key: names[other] for key, other in zip(constants[0], order, strict=True)}, names


def _index_of(symbol) -> int:
    return int(re.sub(r"\D", "", symbol.name) or 0)


def same_equation(c: tuple[str, str], r: tuple[str, str]) -> bool:
    """Whether two equations, each as its two sides, are the same. False for what the parser does not take for one.

    They are where the numerators of their differences of sides are in a constant ratio.
    """
    from sympy import fraction, together

    texts = [f"({left})-({right})" for left, right in (c, r)]
    for old, new in _OF_TIME:
        texts = [re.sub(old, new, text) for text in texts]
    try:
        names, _ = next(_namings(*texts))
        sides = [fraction(together(parsed(renamed(text, names)).doit()))[0] for text in texts]
        values = [[_value(side, point) for side in sides] for point in _points(len(names), False)]
        if any(value is None or abs(value) < 1e-15 for pair in values for value in pair):
            return False
        tolerance = _tolerance("".join(r))
        return all(abs(a * values[0][1] - b * values[0][0]) <= tolerance * abs(a * values[0][1]) for a, b in values)
    except MemoryError:  # not decided
        raise
    except Exception:  # the parser's and SymPy's errors share no base class
        return False


_OF_TIME = [  # x(t) is x, and both ways of writing a derivative are one
    (r"(?<=[A-Za-z}'])\s*\(\s*t\s*\)|(?<=')\s*\(\s*x\s*\)", ""),
    (r"\\frac\{d\s*(\\?[A-Za-z]+(?:_\{\w+\})?)\s*\}\{d\s*[a-z]\s*\}", r"\1'"),
    (r"\\frac\{d\^\{2\}\s*(\\?[A-Za-z]+(?:_\{\w+\})?)\s*\}\{d\s*[a-z]\^\{2\}\s*\}", r"\1''"),
]


def _tolerance(reference: str) -> float:
    """Relative: a reference with decimals of four significant digits or more is no more exact than they are."""
    digits = [len(text.replace(".", "").lstrip("0")) for text in re.findall(r"\d*\.\d+", reference)]
    rounded = [count for count in digits if count >= 4]
    return 5 * 10.0 ** -min(rounded) if rounded else 1e-12


def _points(count: int, whole: bool) -> list[list[float]]:
    """Values for the variables, some of them negative; integers, small and larger, where the expression is of those."""
    rng = random.Random(7)
    if not count:
        return [[]]
    if whole:
        small = [[2 + (i + j * (i % 5)) % 16 for j in range(count)] for i in range(16)]
        return small + [[rng.randint(1, 10 ** (1 + i % 3)) for _ in range(count)] for i in range(24)]
    signs = [1, 1, 1, 1, -1, -1]
    return [[sign * Fraction(rng.randint(200, 3000), 997) for _ in range(count)] for sign in signs]


def _value(expression, point: list):
    from sympy import Integer, Rational

    symbols = {s: s.name for s in expression.free_symbols}
    values = {}
    for symbol, name in symbols.items():
        if not (match := re.fullmatch(r"x_\{?(\d+)\}?", name)):
            return None
        at = point[int(match[1]) - 1]
        values[symbol] = Integer(at) if isinstance(at, int) else Rational(at.numerator, at.denominator)
    value = expression.subs(values).doit().evalf(_DIGITS, maxn=200)
    return value if value.is_number and value.is_finite else None


def _agree(one, other, count: int, tolerance: float) -> bool:
    from sympy import Abs, Expr, Mod, binomial, ceiling, factorial, floor

    if not (isinstance(one, Expr) and isinstance(other, Expr)):
        return bool(one == other)
    rounded = one.atoms(floor, ceiling) | other.atoms(floor, ceiling)
    whole = one.has(floor, ceiling, factorial, binomial, Mod) or other.has(floor, ceiling, factorial, binomial, Mod)
    whole = whole and not any(function.args[0].is_Symbol for function in rounded)
    agreed = 0
    for point in _points(count, whole):
        a, b = _value(one, point), _value(other, point)
        if a is None or b is None:
            if a is not b:
                return False
            continue
        if abs(a - b) > tolerance * max(abs(a), abs(b)) and max(abs(a), abs(b)) > 1e-30:
            negative = any(value < 0 for value in point)
            return negative and not one.has(Abs) and not other.has(Abs) and agreed >= 3
        agreed += bool(max(abs(a), abs(b)) > 1e-30) or other.is_number
    return agreed > 0
