"""Whether two expressions or equations are the same, read by Math-Verify's parser and compared by their values.

Two expressions in variables are the same where they agree at random points to 25 digits (Schwartz 1980, J. ACM 27:701,
for polynomials); that is quicker than simplifying, and finds more.
"""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

from longcot.answers import FUNCTIONS
from longcot.numerals import Number, number, same_number

_KEPT = (
    FUNCTIONS
    + "|frac|sqrt|binom|cdot|times|pi|infty|lfloor|rfloor|lceil|rceil|sum|prod|int|le|ge|sinh|cosh|tanh|circ|pm|mp|"
    "det|lim|to|begin|end|left|right|pmod|bmod|mod"
)
_ACCENTED = r"\\(?:dot|ddot|bar|overline|vec|hat|tilde|mathbb|text|mathrm|mathbf)\s*\{[^{}]*\}"
_INDEX = r"(?:_\{(?:[^{}]|\{[^{}]*\})*\})?'*"
_VARIABLE = rf"(?:{_ACCENTED}|\\(?!(?:{_KEPT})(?![A-Za-z]))[A-Za-z]+|(?<!\\)[A-Za-z]){_INDEX}"
_TOKEN = re.compile(rf"\\(?:{_KEPT})(?![A-Za-z])|{_VARIABLE}")
_DIGITS = 25


def same_expression(c: str, r: str) -> bool:
    """Whether two expressions have the same value everywhere. False for what the parser does not take for one."""
    try:
        if not _variables(c) and not _variables(r) and all(values := [_constant(text) for text in (c, r)]):
            (one, exact), (other, too) = values
            close = not (exact and too) and abs(one.value - other.value) * 10**30 <= abs(other.value)
            return close or same_number(one, other)
        return any(
            _agree(*(_parsed(_renamed(text, names)) for text in (c, r)), len(names), _tolerance(r))
            for names in _namings(c, r)
        )
    except Exception:  # the parser's and SymPy's errors share no base class
        return False


def _namings(c: str, r: str) -> Iterator[dict[str, str]]:
    """A name that the parser takes for each variable, in each way in which the candidate's may be meant.

    Capital and small letters are one where neither side has both, and constants of integration may be in any order.
    """
    ours, theirs = _variables(c), _variables(r)
    names = {key: f"x_{{{i}}}" for i, key in enumerate(sorted({*ours, *theirs}), 1)}
    yield names
    folded = {key.casefold(): key for key in theirs}
    odd = [key for key in ours if key not in theirs]
    if odd and all(folded.get(key.casefold()) not in (None, *ours) for key in odd):
        yield names | {key: names[folded[key.casefold()]] for key in odd}
    constants = [sorted(key for key in {*keys} if re.fullmatch(r"[cC](_?\d)?", key)) for keys in (ours, theirs)]
    if 0 < len(constants[0]) == len(constants[1]) <= 4 and len(theirs) > len(constants[1]):
        for order in permutations(constants[1]):
            yield names | {key: names[other] for key, other in zip(constants[0], order, strict=True)}


def same_equation(c: tuple[str, str], r: tuple[str, str]) -> bool:
    """Whether two equations, each as its two sides, are the same. False for what the parser does not take for one.

    They are where their differences of sides are in a constant ratio, or where both, being linear in a variable, have
    the same solution for it at random values of the others.
    """
    texts = [re.sub(r"(?<=[A-Za-z}])\s*\(\s*t\s*\)", "", f"({left})-({right})") for left, right in (c, r)]  # x(t) is x
    try:
        names = next(_namings(*texts))
        one, other = (_parsed(_renamed(text, names)) for text in texts)
        points = _points(len(names), False)
        values = [[_value(side, point) for side in (one, other)] for point in points]
        if any(value is None for pair in values for value in pair):
            return False
        tolerance = _tolerance("".join(r))
        if all(abs(a * values[0][1] - b * values[0][0]) <= tolerance * abs(a * values[0][1]) for a, b in values):
            return all(abs(a) > 1e-15 and abs(b) > 1e-15 for a, b in values)
        return any(all(_same_root(one, other, point, i, tolerance) for point in points) for i in range(len(names)))
    except Exception:  # the parser's and SymPy's errors share no base class
        return False


def _same_root(one, other, point: list, i: int, tolerance: float) -> bool:
    """Whether both sides are linear in the i-th variable, with the same root at a point of the other variables."""
    roots = []
    for side in (one, other):
        at = [_value(side, [*point[:i], Fraction(v), *point[i + 1 :]]) for v in (0, 1, 3)]
        if any(value is None for value in at) or abs(at[1] - at[0]) < 1e-15:
            return False
        if abs((at[2] - at[0]) - 3 * (at[1] - at[0])) > 1e-15 * (abs(at[2]) + abs(at[0])):
            return False
        roots.append(-at[0] / (at[1] - at[0]))
    return bool(abs(roots[0] - roots[1]) <= tolerance * abs(roots[1])) and abs(roots[1]) > 1e-15


def _tolerance(reference: str) -> float:
    """Relative: a reference with decimals of four significant digits or more is no more exact than they are."""
    digits = [len(text.replace(".", "").lstrip("0")) for text in re.findall(r"\d*\.\d+", reference)]
    rounded = [count for count in digits if count >= 4]
    return 5 * 10.0 ** -min(rounded) if rounded else 1e-12


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text with its variables as `x_{n}`: the parser takes capitals for small letters, \\gamma for a number."""
    text = re.sub(r"(\d)\s*\^\{\\circ\}", r"\1 \\cdot \\frac{\\pi}{180} ", text)
    text = re.sub(r"(?<![\d.}])(\d+)\s*/\s*(\d+)(?![\d.!^])", r"\\frac{\1}{\2}", text)  # 1/2 x is x/2
    text = re.sub(r"\\log_\{e\}", r"\\ln ", text.replace("*", r" \cdot "))

    def rename(match: re.Match) -> str:
        key = _key(match[0])
        return f" {names[key]} " if key else match[0] + (" " if match[0][0] == "\\" else "")

    return re.sub(r"\s+", " ", _TOKEN.sub(rename, text)).strip()


def _key(token: str) -> str:
    """The name of a variable without its spelling; "" for a function, e or i."""
    key = re.sub(r"\\(?:text|mathrm|mathbf)|[\\{}\s]", "", token)
    return "" if re.fullmatch(r"\\(?:" + _KEPT + ")", token) or key in ("e", "i") else key


def _variables(text: str) -> list[str]:
    return list(filter(None, map(_key, (match[0] for match in _TOKEN.finditer(text)))))


def _parsed(text: str):
    from latex2sympy2_extended import latex2sympy
    from sympy import I, Symbol, sin
    from sympy.core.function import AppliedUndef

    text = re.sub(
        r"(\d*)\.(\d+)", lambda decimal: rf"\frac{{{int(decimal[1] + decimal[2])}}}{{{10 ** len(decimal[2])}}}", text
    )
    expression = latex2sympy(text, is_real=True, convert_degrees=False, normalization_config=None)
    for function in expression.atoms(AppliedUndef):  # any function: one of generic values, the same on both sides
        index = int(re.sub(r"\D", "", function.func.__name__) or 0)
        generic = sin(index + sum((i + 2) * argument for i, argument in enumerate(function.args))) + 2
        expression = expression.xreplace({function: generic})
    return expression.subs({Symbol("i", real=True): I, Symbol("i"): I}) if expression.free_symbols else expression


def _constant(text: str) -> tuple[Number, bool] | None:
    """(value, whether it is exact or else good to 38 digits) of an expression without variables; None if not real."""
    if known := number(text):
        return known, True
    value = _parsed(text).doit()
    if value.is_Rational:
        return Number(Fraction(value.p, value.q)), True
    value = value.evalf(40, maxn=400)
    return (Number(Fraction(str(value))), False) if value.is_Float and value.is_finite else None


def _points(count: int, whole: bool) -> list[list[float]]:
    """Values for the variables, some of them negative; integers where the expression is one of integers."""
    rng = random.Random(7)
    if whole:
        return [rng.sample(range(3 + 2 * i, 12 + 4 * i + count), count) for i in range(8)] if count else [[]]
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
        agreed += 1
    return agreed > 0


def math_verify(c: str, r: str) -> bool:
    """Math-Verify's own verdict, for what is not taken apart here."""
    from math_verify import parse, verify

    gold, pred = (parse(f"${text}$", parsing_timeout=None) for text in (r, c))
    return bool(verify(gold, pred, timeout_seconds=None, allow_set_relation_comp=True))
