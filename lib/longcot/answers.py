"""How answers are written: one spelling for what people and models write in many, and numbers read as numbers."""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_LENGTH = 5_000  # characters; no answer is longer, and beyond it only the same text is the same answer

_SIGNS = {
    "−–—": "-", "×": r"\times ", "·⋅∗•": r"\cdot ", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "∞": r"\infty ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "°": r"^{\circ}", "′": "'", "，、": ",", "；": ";", "（": "(", "）": ")",
    "。": ".", "％": "%", "√": r"\sqrt ", "±": r"\pm ", "≈": r"\approx ", "½": r"\frac{1}{2}",
    "\u2009\u202f\u00a0\u2007\u3000\t\r": " ", "\u200b\ufeff\x00€£¥": "",
}  # fmt: skip
_GREEK = zip("αβγδεθλμπρστφψωΔΩ", "alpha beta gamma delta epsilon theta lambda mu pi rho sigma tau phi psi omega "
             "Delta Omega".split(), strict=True)  # fmt: skip
_UNICODE = str.maketrans(
    {sign: tex for signs, tex in _SIGNS.items() for sign in signs}
    | {letter: f"\\{name} " for letter, name in _GREEK}
    | {digit: f"^{{{i}}}" for i, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {digit: f"_{{{i}}}" for i, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")}
)

TEXT = r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|cal|it|sf|bb)|[mh]box|boldsymbol|operatorname\*?|bm)\s*"
FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|coth|sin|cos|tan|cot|sec|csc|ln|log|exp|max|min|gcd|lcm"
_END = r"(?![A-Za-z])"

# (what is written, how we write it), in this order; the comment names the convention
_SPELLING = [
    (r"(?<=\d)\s*\n\s*(?=\d)", ";"),  # numbers on two lines are two numbers
    (r"\\(?:begin)?boxed\s*(?=\{)", ""),  # a box around the answer
    (r"\*\*([^*]+)\*\*\s*$", r"\1"),  # Markdown's bold
    (r"\\(?:displaystyle|textstyle|limits|left|right|[bB]igg?[lr]?)" + _END, ""),  # sizes
    (r"(\d)\s*,\s*\\!\s*(?=\d)|(\d)\s*\{,\s*\}(?:\\!)?\s*(?=\d)", r"\1\2"),  # 12{,}000 and 12,\!000 are one number
    (r"\\!", ""),
    (r"\\\\\s*\[[^\]]*\]", r"\\\\"),  # the height of a matrix row
    (r"(?<!\\)\\[,;:> ]|\\(?:q?quad|thinspace)" + _END + r"|~|(?<!\\)\\$", " "),  # spaces
    (r"\\\$\s*(\d[\d,.]*)", r"\1\\text{dollars}"),
    (r"(?<!\\)\\[\[\]()]|\\?\$", " "),  # marks of mathematics
    (r"\\[dtc]frac", r"\\frac"),
    (r"\\mathbb\s*\{?\s*R\s*\}?|ℝ", r"(-\\infty,\\infty)"),
    (r"\\varnothing|∅", r"\\emptyset"),
    (r"\\langle" + _END, "("),
    (r"\\rangle" + _END, ")"),
    (r"\{?([^{}]+)\\choose\s*([^{}]+)\}?", r"\\binom{\1}{\2}"),
    (r"(?<=[)\]}])\s*\^\s*\{?\s*(?:T|\\top|\\intercal)\s*\}?\s*$", ""),  # a column written as a row
    (r"^\s*\\approx", ""),
    (r"\\(?:leqslant|leqq|leq|le)" + _END, "<="),
    (r"\\(?:geqslant|geqq|geq|ge)" + _END, ">="),
    (r"\\lt" + _END, "<"),
    (r"\\gt" + _END, ">"),
    (r"\\(?:neq|ne)" + _END + r"|\\not\s*=", "!="),
    (r"\\(?:simeq|doteq)" + _END, r"\\approx "),
    (r"\\[lr]?vert" + _END + r"|\\mid" + _END, "|"),
    (r"\\(?:l|c|d)?dots[cmb]?" + _END, "..."),
    (r"\\lbrace" + _END, r"\\{"),
    (r"\\rbrace" + _END, r"\\}"),
    (r"\^\s*\{\s*\\prime\s*\}|\^\s*\\prime" + _END, "'"),
    (r"\\degrees?" + _END + r"|\^\s*\\circ" + _END + r"|\^\s*\{\s*\\circ\s*\}", r"^{\\circ}"),
    (r"\\var(epsilon|phi|theta)", r"\\\1"),
    (
        r"(?<=\d)\s*\^\s*\{?\s*\\(?:text|mathrm)\s*\{\s*(?:th|st|nd|rd)\s*\}\s*\}?|(?<=\d)(?:th|st|nd|rd)(?![a-z])",
        "",
    ),  # the 12th
    (r"\\%|" + TEXT + r"\{\s*(?:percent|percentage|pct)\s*\}|(?<=[\d} ])(?:percentage|percent|pct)" + _END, "%"),
    (r"(?:" + TEXT + r"\{\s*(?:and|or)[\s:,]*\}|(?<![A-Za-z\\])(?:and|or)(?![a-z]))", ";"),  # 1, 2 and 3 are a list
    (
        r"(?<![\d}/])(?<![\d}/] )" + TEXT + r"\{\s*([A-Za-z])\s*\}|" + TEXT + r"\{\s*([ei])\s*\}",
        r" \1\2 ",
    ),  # a letter is a letter in any type
    (r"(?<![A-Za-z\\])(?:np|math|sp|sympy)\.", ""),  # the mathematics of Python
    (r"(?<![A-Za-z\\])([A-Za-z])\(0\)", r"\1_{0}"),  # I(0) is I_0
    (r"\\dot\s*\{([^{}]*)\}(_\{[^{}]*\})?", r"\\frac{d \1\2}{d t}"),
    (r"\\ddot\s*\{([^{}]*)\}(_\{[^{}]*\})?", r"\\frac{d^{2} \1\2}{d t^{2}}"),
    (r"\*\*", "^"),
    (r"\^\s*\(([^()]*)\)", r"^{\1}"),
    (r"(?<![A-Za-z\\{])(" + FUNCTIONS + r")(?=[\s({\\^\d]|[a-z](?![a-z]))", r"\\\1"),
    (TEXT + r"\{\s*(" + FUNCTIONS + r")\s*\}", r"\\\1 "),
    (r"(?<![A-Za-z\\])sqrt\s*(?=[({])", r"\\sqrt"),
    (r"(?<![A-Za-z\\])pi" + _END, r"\\pi "),
    (r"(?<![A-Za-z\\])(?:infty|infinity|inf|oo)" + _END, r"\\infty "),
    (r"\+\s*\\infty", r"\\infty"),
    (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
    (r"\\(frac|binom)\s*(\d)\s*(\d)", r"\\\1{\2}{\3}"),  # \frac12
    (r"\\(frac|binom)\s*([\dA-Za-z]|\\[A-Za-z]+)\s*\{", r"\\\1{\2}{"),  # \frac1{72}
    (r"\\(frac|binom)\s*(\{(?:[^{}]|\{[^{}]*\})*\})\s*([\dA-Za-z]|\\pi)", r"\\\1\2{\3}"),  # \frac{1}2
    (r"\\sqrt\s*([\dA-Za-z]|\\pi" + _END + ")", r"\\sqrt{\1}"),  # \sqrt3
    (r"\\sqrt\s*(\[[^\[\]]*\])\s*([\dA-Za-z])", r"\\sqrt\1{\2}"),
    (r"([_^])\s*([A-Za-z0-9*+]|\\[A-Za-z]+)", r"\1{\2}"),  # x_1 and x_{1}
    (r"([_^])\s+(?=\{)", r"\1"),
    (r"(?<=[A-Za-z}])\s+(?=_\{)", ""),
    (r"(?<=_\{)\s+|(?<=\^\{)\s+", ""),
]
_RULES = [(re.compile(old), new) for old, new in _SPELLING]


def normalise(text: str) -> str:
    """One spelling of an answer in LaTeX, by the rules of writing above; what it means is not looked at."""
    text = text.translate(_UNICODE).strip()
    if re.search(r"\\\\(?:begin|d?frac|sqrt|left|pi|text|boxed|leq?|geq?|cdot|times|infty)(?![a-z])", text):
        text = text.replace("\\\\", "\\")  # escaped twice, as in JSON
    for old, new in _RULES:
        text = old.sub(new, text)
    text = _REPEATING.sub(_as_fraction, text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".,;: ").strip()
    whole = re.fullmatch(TEXT + r"\{([^{}]*)\}", text)
    return whole[1].strip() if whole else text


_REPEATING = re.compile(r"(\d*)\.(\d*)\\overline\s*\{(\d+)\}", re.ASCII)


def _as_fraction(match: re.Match) -> str:
    """A decimal with a line over its period, as the fraction that it is."""
    whole, fixed, period = match.groups()
    return (
        rf"\frac{{{int(whole + fixed + period) - int(whole + fixed or 0)}}}{{{'9' * len(period) + '0' * len(fixed)}}}"
    )


_UNITS = {  # a name for each unit, so that the same number of different units is told apart
    name: names.split()[0]
    for names in (
        "degree degrees deg", "m meter meters metre metres", "cm centimeter centimeters",
        "mm millimeter millimeters", "km kilometer kilometers", "inch inches in", "foot feet ft", "yard yards",
        "mile miles mi", "mph", "second seconds sec s", "minute minutes min", "hour hours hr hrs h", "day days",
        "week weeks", "month months", "year years yr", "dollar dollars usd", "cent cents", "yuan", "gram grams g",
        "kg kilogram kilograms", "pound pounds lb lbs", "liter liters l", "radian radians rad", "nm", "pm", "um", "angstrom angstroms", "ev", "kev", "kj", "hz", "ghz", "mhz", "khz", "pa",
        "kpa", "mol", "erg ergs", "mg", "ms", "amu", "unit units",
    )
    for name in names.split()
}  # fmt: skip
_WORDS = "|".join(
    sorted(
        (unit for unit in _UNITS if len(unit) > 2 or unit in ("cm", "mm", "km", "kg", "nm", "pm", "ev", "kj", "hz")),
        key=len,
        reverse=True,
    )
)
_POWER = r"(?:\s*\^\{(-?\d)\})?"
UNIT = re.compile(  # 15 \text{ cm}^{2}, 3 square feet, 5 \mathrm{km} / \mathrm{h}, 2 meters per second
    r"(?<=[\d})% ])\s*(?:" + TEXT + r"\{((?:[^{}]|\{[^{}]*\})*)\}" + _POWER + r"|(?<![A-Za-z\\{])((?:(?:square|cubic|sq\.?) )?(?:" + _WORDS + r"))"
    + _POWER + r")((?:\s*/?\s*(?:" + TEXT + r"\{(?:[^{}]|\{[^{}]*\})*\}|per [a-z]+|/ ?[a-z]{1,4})" + _POWER + r")*)$"
)  # fmt: skip


def split_unit(text: str) -> tuple[str, str]:
    """(the answer without the text at its end, the name of the unit or ""): 15 \\text{ cm}^{2} is 15 and cm2.

    Any text after a number without variables is taken for its unit; bare words only where they name a known one.
    """
    match = UNIT.search(text)
    if match is None or re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", text[: match.start()])):
        angle = text.endswith(r"^{\circ}")
        return text.removesuffix(r"^{\circ}"), "degree" if angle else ""
    words = re.findall("[a-z]+", (match[1] or match[3] or "").lower())
    power = "2" if {"square", "sq"} & set(words) else "3" if "cubic" in words else match[2] or match[4] or ""
    known = [_UNITS[word] + power for word in words if word in _UNITS and word not in ("unit", "units")]
    return text[: match.start()].strip(), known[0] if len(known) == 1 and not match[5] else ""


@dataclass(frozen=True)
class Number:
    """An exact value; `step` is the last place of a decimal (0: an integer or a fraction), `digits` the significant ones."""

    value: Fraction
    step: Fraction = Fraction(0)
    digits: int = 0
    percent: bool = False


_PLAIN = r"(?:[1-9]\d{0,2}(?:[, ]\d{3})+(?:\.\d*)?|\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})"
_TIMES = r"\s*(?:\\times|\\cdot|\*|x)\s*"
_DECIMAL = re.compile(rf"({_PLAIN})(?:[eE]([+-]?\d{{1,3}})|{_TIMES}10\^\{{([+-]?\d{{1,3}})\}})?", re.ASCII)
_POWER_OF_TEN = re.compile(r"10\^\{([+-]?\d{1,3})\}", re.ASCII)
_RATIO = re.compile(rf"(?:(\d{{1,3}}(?: \d{{3}})+|\d+)(?: (?=\d+ ?/ ?\d)| ?(?=\\frac)))?(?:\\frac\{{\s*([+-]?{_PLAIN})\s*\}}\{{\s*([+-]?{_PLAIN})\s*\}}|({_PLAIN}) ?/ ?({_PLAIN}))", re.ASCII)  # fmt: skip
_SIGN = re.compile(r"([+-]?)\s*(.*?)\s*(%?)", re.DOTALL)


def number(text: str) -> Number | None:
    """The number that a normalised answer is: integer, decimal, scientific, fraction, mixed, each also in percent."""
    if len(text) > MAX_LENGTH:
        return None
    sign, body, percent = _SIGN.fullmatch(text.strip()).groups()
    if power := _POWER_OF_TEN.fullmatch(body):
        found = Number(Fraction(10) ** int(power[1]))
    elif decimal := _DECIMAL.fullmatch(body):
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

    Exact values must be the same. A decimal answers for an exact value from six significant digits on, all of them
    right; a decimal reference of at least four is answered by any more precise value that it is the rounding of. x% is x/100, and also x where the other one has no percent sign (the problem
    then asks for a percentage).
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
    if a.digits >= 6 and a.step > b.step and _rounds_to(a, b.value):
        return True
    return b.step > a.step and b.digits >= 4 and _rounds_to(b, a.value)


def quick(candidate: str, reference: str) -> bool | None:
    """The verdict where it costs microseconds: the same text, or two numbers. None: not known yet."""
    candidate, reference = candidate.strip(" \n$"), reference.strip(" \n$")
    if not candidate or not reference:
        return False
    if candidate == reference:
        return True
    if max(len(candidate), len(reference)) > MAX_LENGTH:
        return False
    if _SIMPLE.fullmatch(candidate) and _SIMPLE.fullmatch(reference):
        return Fraction(candidate) == Fraction(reference)
    if max(len(candidate), len(reference)) <= _SHORT:
        numbers = [number(normalise(text)) for text in (candidate, reference)]
        if all(numbers) and (same_number(*numbers) or "," not in candidate + reference):
            return same_number(*numbers)
    return None


_SHORT = 40  # characters of an answer that is looked at before the worker process does
_SIMPLE = re.compile(r"[+-]?\d{1,400}", re.ASCII)
