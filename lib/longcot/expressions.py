"""Whether two expressions or equations are the same, read by Math-Verify's parser and compared by their values.

Two expressions in variables are the same where they agree at random points to 25 digits (Schwartz 1980, J. ACM 27:701,
for polynomials); that is quicker than simplifying, and finds more.
"""

import random
import re
from fractions import Fraction

from longcot.answers import FUNCTIONS, Number, number, same_number

_KEPT = (
    FUNCTIONS
    + "|frac|sqrt|binom|cdot|times|pi|infty|lfloor|rfloor|lceil|rceil|sum|prod|int|le|ge|sinh|cosh|tanh|circ|pm|mp|"
    "det|lim|to|begin|end|left|right|pmod|bmod|mod"
)
_VARIABLE = re.compile(
    r"(?:\\(?:dot|ddot|bar|overline|vec|hat|tilde|mathbb|text|mathrm|mathbf)\s*\{[^{}]*\}|\\(?!(?:" + _KEPT + r")(?![A-Za-z]))[A-Za-z]+|(?<![\\A-Za-z])[A-Za-z]|(?<=[A-Za-z])(?<!\\)[A-Za-z])"
    r"(?:_\{(?:[^{}]|\{[^{}]*\})*\})?'*"
)  # fmt: skip
_TOKEN = re.compile(r"\\(?:" + _KEPT + r")(?![A-Za-z])|" + _VARIABLE.pattern)
_DIGITS = 25


def same_expression(c: str, r: str) -> bool:
    """Whether two expressions have the same value everywhere. Raises what the parser raises on what is no expression."""
    names: dict[str, str] = {}
    texts = [_renamed(text, names) for text in (c, r)]
    if not names and all(values := [_constant(text) for text in (c, r)]):
        close = any(number(text) is None for text in (c, r)) and abs(values[0].value - values[1].value) * 10**30 <= abs(
            values[1].value
        )
        return close or same_number(*values)
    one, other = map(_parsed, texts)
    return _agree(one, other, len(names), _tolerance(r))


def same_equation(c: tuple[str, str], r: tuple[str, str]) -> bool:
    """Whether two equations, each as its two sides, are the same up to a constant factor."""
    names: dict[str, str] = {}
    one, other = (_parsed(_renamed(f"({left})-({right})", names)) for left, right in (c, r))
    ratios = []
    for point in _points(len(names), False):
        a, b = _value(one, point), _value(other, point)
        if a is None or b is None or abs(b) < 1e-15 or abs(a) < 1e-15:
            return False
        ratios.append(a / b)
    return all(abs(ratio - ratios[0]) <= _tolerance(r[0] + r[1]) * abs(ratios[0]) for ratio in ratios)


def _tolerance(reference: str) -> float:
    """Relative. A reference that has rounded decimals, four significant digits or more, is no more exact than they are."""
    digits = [len(text.replace(".", "").lstrip("0")) for text in re.findall(r"\d*\.\d+", reference)]
    rounded = [count for count in digits if count >= 4]
    return 5 * 10.0 ** -min(rounded) if rounded else 1e-12


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text with each variable as `x_{n}`, since the parser takes capitals for small letters and \\gamma for a number."""
    text = re.sub(r"(\d)\s*\^\{\\circ\}", r"\1 \\cdot \\frac{\\pi}{180} ", text)
    text = re.sub(r"(?<![\d.}])(\d+)\s*/\s*(\d+)(?![\d.!^])", r"\\frac{\1}{\2}", text)  # 1/2 x is x/2
    text = re.sub(r"\\log_\{e\}", r"\\ln ", text.replace("*", r" \cdot "))

    def rename(match: re.Match) -> str:
        token = match[0]
        key = re.sub(r"\\(?:text|mathrm|mathbf)|[\\{}\s]", "", token)
        if re.fullmatch(r"\\(?:" + _KEPT + ")", token) or key in ("e", "i"):
            return token + (" " if token[0] == "\\" else "")
        return " " + names.setdefault(key, f"x_{{{len(names) + 1}}}") + " "

    return re.sub(r"\s+", " ", _TOKEN.sub(rename, text)).strip()


def _parsed(text: str):
    from latex2sympy2_extended import latex2sympy
    from sympy import I, Symbol

    text = re.sub(
        r"(\d*)\.(\d+)", lambda decimal: rf"\frac{{{int(decimal[1] + decimal[2])}}}{{{10 ** len(decimal[2])}}}", text
    )
    text = re.sub(r"\(([^()]*)\)\s*/\s*(\d+)", r"\\frac{\1}{\2}", text)
    expression = latex2sympy(text, is_real=True, convert_degrees=False, normalization_config=None)
    return expression.subs({Symbol("i", real=True): I, Symbol("i"): I}) if expression.free_symbols else expression


def _constant(text: str) -> Number | None:
    """The value of an expression without variables, to 40 digits."""
    if known := number(text):
        return known
    value = _parsed(text).doit()
    if value.is_Rational:
        return Number(Fraction(value.p, value.q))
    value = value.evalf(40, maxn=400)
    if not value.is_real or not value.is_finite:
        return None
    return Number(Fraction(str(value.round(38) if abs(value) < 1 else value)))


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
    whole = one.has(floor, ceiling, factorial, binomial, Mod) or other.has(floor, ceiling, factorial, binomial, Mod)
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
