"""Answers read by Math-Verify's parser: LaTeX in, SymPy's expressions out. For a worker process only."""

import re
from fractions import Fraction
from functools import lru_cache

from longcot.grading.answers import FUNCTIONS
from longcot.grading.numerals import Number, number

_KEPT = (
    FUNCTIONS
    + "|frac|sqrt|binom|cdot|times|pi|infty|lfloor|rfloor|lceil|rceil|sum|prod|int|le|ge|sinh|cosh|tanh|circ|pm|mp|"
    "det|lim|to|begin|end|left|right|pmod|bmod|mod"
)
_ACCENTED = r"\\(?:dot|ddot|bar|overline|vec|hat|tilde|mathbb|text|mathrm|mathbf)\s*\{[^{}]*\}"
_INDEX = r"(?:_\{(?:[^{}]|\{[^{}]*\})*\})?'*"
_VARIABLE = rf"(?:{_ACCENTED}|\\(?!(?:{_KEPT})(?![A-Za-z]))[A-Za-z]+|(?<!\\)[A-Za-z]){_INDEX}"
_TOKEN = re.compile(rf"\\(?:{_KEPT})(?![A-Za-z])|{_VARIABLE}")


def renamed(text: str, names: dict[str, str]) -> str:
    """The text with its variables as `x_{n}`: the parser takes capitals for small letters, \\gamma for a number."""
    text = re.sub(r"(?<![\d.}])(\d+)\s*/\s*(\d+)(?![\d.!^])", r"\\frac{\1}{\2}", text)  # 1/2 x is x/2
    text = re.sub(r"\\log_\{e\}", r"\\ln ", text.replace("*", r" \cdot "))

    def rename(match: re.Match) -> str:
        key = _key(match[0])
        return f" {names[key]} " if key else match[0] + (" " if match[0][0] == "\\" else "")

    return _PRODUCT_OF_ANGLE.sub(r"\1{(\2)}", re.sub(r"\s+", " ", _TOKEN.sub(rename, text)).strip())


# \cos \omega t is the cosine of the product
_FACTOR = r"(?:\d+(?:\.\d+)?(?![\d.])|x_\{\d+\}|\\pi)(?: ?\^\{[^{}]*\}| ?!)?(?! ?[\^!])"
_PRODUCT_OF_ANGLE = re.compile(rf"(\\(?:sin|cos|tan|cot|sec|csc)(?: ?\^\{{\d+\}})?) ?({_FACTOR}(?: ?{_FACTOR})+)")


def _key(token: str) -> str:
    """The name of a variable without its spelling; "" for a function, e or i."""
    key = re.sub(r"\\(?:text|mathrm|mathbf)|[\\{}\s]", "", token)
    return "" if re.fullmatch(r"\\(?:" + _KEPT + ")", token) or key in ("e", "i") else key


def variables(text: str) -> list[str]:
    """The variables of a text, each as often as it stands there."""
    return list(filter(None, map(_key, (match[0] for match in _TOKEN.finditer(text)))))


@lru_cache(maxsize=256)
def parsed(text: str):
    """The expression that a renamed text is; raises what the parser raises for anything else."""
    from latex2sympy2_extended import latex2sympy
    from sympy import I, Symbol, sin
    from sympy.core.function import AppliedUndef

    text = re.sub(r"(\d+(?:\.\d+)?|\([^()]*\)|x_\{\d+\})\s*\^\{\\circ\s*\}", r"(\1 \\cdot \\frac{\\pi}{180}) ", text)
    text = re.sub(
        r"(\d*)\.(\d+)", lambda decimal: rf"\frac{{{int(decimal[1] + decimal[2])}}}{{{10 ** len(decimal[2])}}}", text
    )
    expression = latex2sympy(text, is_real=True, convert_degrees=False, normalization_config=None)
    for function in expression.atoms(AppliedUndef):  # any function: one of generic values, the same on both sides
        index = int(re.sub(r"\D", "", function.func.__name__) or 0)
        generic = sin(index + sum((i + 2) * argument for i, argument in enumerate(function.args))) + 2
        expression = expression.xreplace({function: generic})
    return expression.subs({Symbol("i", real=True): I, Symbol("i"): I}) if expression.free_symbols else expression


def constant(text: str) -> tuple[Number, bool] | None:
    """(value, whether it is exact or else good to 38 digits) of an expression without variables; None if not real.

    Raises what the parser raises for anything else.
    """
    if known := number(text):
        return known, True
    value = parsed(text).doit()
    if value.is_Rational:
        return Number(Fraction(value.p, value.q)), True
    value = value.evalf(40, maxn=400)
    return (Number(Fraction(str(value))), False) if value.is_Float and value.is_finite else None


def math_verify(c: str, r: str) -> bool:
    """Math-Verify's own verdict, for what is not taken apart here."""
    from math_verify import parse, verify

    gold, pred = (parse(f"${text}$", parsing_timeout=None) for text in (r, c))
    return bool(verify(gold, pred, timeout_seconds=None, allow_set_relation_comp=True))
