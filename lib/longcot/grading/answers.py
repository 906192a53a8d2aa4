"""How answers are written: one spelling for what people and models write in many, and what is quickly decided."""

import re
from fractions import Fraction

from longcot.grading.numerals import MAX_LENGTH, number, same_number

_SIGNS = {
    "−–—": "-", "×": r"\times ", "·⋅∗•": r"\cdot ", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "∞": r"\infty ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "°": r"^{\circ}", "′": "'", "，、": ",", "；": ";",
    "（": "(", "）": ")", "。": ".", "％": "%", "√": r"\sqrt ", "±": r"\pm ", "≈": r"\approx ", "½": r"\frac{1}{2}",
    "…": "...", "¢": r"\text{cents}",
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

_UNIT_COMMANDS = "units?|[km]?g|[ckmn]?m|m?s|[kMG]?eV|[kMG]?Hz|k?J|k?Pa|m?L|mol|rad|mph|ft|yd|hr?"
# \color[HTML]{00FF00}, \fcolorbox{red}{white}
_COLOUR = r"\\(?:(?:text)?color\s*(?:\[\w*\])?|colorbox|fcolorbox\s*\{[^{}]*\})\s*\{[^{}]*\}"
_REALS = r"(?i:all\s+reals?(?:\s+numbers?)?)"
_POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}

# (what is written, how we write it), in this order; the comment names the convention
_SPELLING = [
    (r"(?<=\d)\s*\n\s*(?=\d)", ";"),  # numbers on two lines are two numbers
    (r"\\(?:begin)?boxed\s*(?=\{)", ""),  # a box around the answer
    (r"\*\*([^*]+)\*\*\s*$", r"\1"),  # Markdown's bold
    (r"\\(?:displaystyle|textstyle|limits|left|right|[bB]igg?[lr]?)" + _END, ""),  # sizes
    (r"(\d)\s*,\s*\\!\s*(?=\d)|(\d)\s*\{,\s*\}(?:\\!)?\s*(?=\d)", r"\1\2"),  # 12{,}000 and 12,\!000 are one number
    (r"\\!", ""),
    (_COLOUR + r"(?:\s*\{([^{}]*)\})?", r"\1"),
    (r"\\(?:underline|bbox(?:\[[^\]]*\])?|framebox)\s*(?=\{)|\\(?:bf|rm|it|[lL]arge|LARGE|[hH]uge)" + _END, ""),
    (r"\\\\\s*\[[^\]]*\]", r"\\\\"),  # the height of a matrix row
    (r"(?<!\\)\\[,;:> ]|\\(?:q?quad|thinspace)" + _END + r"|~|(?<!\\)\\$", " "),  # spaces
    *((rf"(?<=\d)\s*({TEXT}\{{)?\s*{name}(?![a-z])", rf" \\times 10^{{{n}}}\1") for name, n in _POWERS.items()),
    (r"\\\$\s*(\d(?:[\d,.]*\d)?(?: \\times 10\^\{\d+\})?)", lambda sum: sum[1].replace(",", "") + r"\text{dollars}"),
    (
        r"(\d)\s*\{?:\}?\s*(\d\d)\s*(?:" + TEXT + r"\{\s*(?i:([ap])\.?\s*m\.?)\s*\}|(?i:([ap])\.?\s*m\b\.?))",
        lambda time: f"{time[1]}:{time[2]} {(time[3] or time[4]).lower()}m",
    ),  # 4:30 p.m. and 4:30 PM
    (r"(?<!\\)\\[\[\]()]|\\?\$", " "),  # marks of mathematics
    (r"\\[dtc](frac|binom)", r"\\\1"),
    (r"\\lg" + _END, r"\\log_{10}"),
    (r"\\mathbb\s*\{?\s*R\s*\}?|ℝ", r"(-\\infty,\\infty)"),
    (rf"^\s*(?:{TEXT}\{{)?\s*{_REALS}(?:\s+[a-z])?\s*\}}?\s*$", r"(-\\infty,\\infty)"),
    (rf"^\s*(?:{TEXT}\{{)?\s*(?i:no\s+solutions?)\s*\}}?\s*$", r"\\emptyset"),
    (r"\\varnothing|∅|^\s*\\\{\s*\\\}\s*$", r"\\emptyset"),
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
    (r"\\deg(?:rees?)?" + _END + r"|\^\s*\\circ" + _END + r"|\^\s*\{\s*\\circ\s*\}", r"^{\\circ}"),
    (r"\\var(epsilon|phi|theta)", r"\\\1"),
    (rf"(?<=[\d}})/])\s*\\({_UNIT_COMMANDS})(?![A-Za-z{{])", r"\\text{\1}"),  # 0.112\kg
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
    (r"\\dot\s*\{([^{}]*)\}(_\{[^{}]*\}|_\w)?", r"\\frac{d \1\2}{d t}"),
    (r"\\ddot\s*\{([^{}]*)\}(_\{[^{}]*\}|_\w)?", r"\\frac{d^{2} \1\2}{d t^{2}}"),
    (r"\*\*", "^"),
    (r"\^\s*\(([^()]*)\)", r"^{\1}"),
    (r"(?<![A-Za-z\\{])(" + FUNCTIONS + r")(?=[\s({\\^\d]|[a-z](?![a-z]))", r"\\\1"),
    (TEXT + r"\{\s*(" + FUNCTIONS + r")\s*\}", r"\\\1 "),
    (r"(?<![A-Za-z\\])sqrt\s*(?=[({])", r"\\sqrt"),
    (r"(?<![A-Za-z\\])pi" + _END, r"\\pi "),
    (r"(?<![A-Za-z\\])(?:infty|infinity|inf|oo)" + _END, r"\\infty "),
    (r"\+\s*\\infty", r"\\infty"),
    (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
    (r"\\(frac|binom)\s*([\dA-Za-z])\s*([\dA-Za-z])", r"\\\1{\2}{\3}"),  # \frac12
    (r"\\(frac|binom)\s*([\dA-Za-z]|\\[A-Za-z]+)\s*\{", r"\\\1{\2}{"),  # \frac1{72}
    (r"\\(frac|binom)\s*(\{(?:[^{}]|\{[^{}]*\})*\})\s*([\dA-Za-z]|\\pi)", r"\\\1\2{\3}"),  # \frac{1}2
    (r"\\sqrt\s*([\dA-Za-z]|\\pi" + _END + ")", r"\\sqrt{\1}"),  # \sqrt3
    (r"\\sqrt\s*(\[[^\[\]]*\])\s*([\dA-Za-z])", r"\\sqrt\1{\2}"),
    (r"([_^])\s*([A-Za-z0-9*+]|\\[A-Za-z]+)", r"\1{\2}"),  # x_1 and x_{1}
    (r"([_^])\s+(?=\{)", r"\1"),
    (r"⁻\s*\^\{", "^{-"),
    (r"(?<=[A-Za-z}])\s+(?=_\{)", ""),
    (r"(?<=_\{)\s+|(?<=\^\{)\s+", ""),
]
_RULES = [(re.compile(old), new) for old, new in _SPELLING]


def normalise(text: str) -> str:
    """One spelling of an answer in LaTeX, by the rules of writing above; what it means is not looked at."""
    text = _as_tuple(text.translate(_UNICODE).strip())
    if re.search(r"(?<!\\)\\\\(?:begin|d?frac|sqrt|left|pi|text|boxed|leq?|geq?|cdot|times|infty)(?![a-z])", text):
        text = text.replace("\\\\", "\\")  # escaped twice, as in JSON
    for old, new in _RULES:
        text = old.sub(new, text)
    text = _SET_OF.sub(r"\1", _REPEATING.sub(_as_fraction, text))
    text = re.sub(r"\s+", " ", text).strip()
    text = text if text.endswith("...") else text.rstrip(".,;: ").strip()
    whole = re.fullmatch(TEXT + r"\{([^{}]*)\}", text)
    return whole[1].strip() if whole else text


_SET_OF = re.compile(r"^\\\{\s*[A-Za-z]\s*(?:\\in\s*\(-\\infty,\\infty\)\s*)?[|:](.*)\\\}$", re.DOTALL)  # { x | x > 2 }
# 0.1\overline{6}; 0.333... and 0.1212... where the period is seen three times, or twice if it is long
_REPEATING = re.compile(
    r"(\d*)\.(\d*?)(?:\\(?:overline|bar)\s*\{(\d+)\}|(\d{1,5})\4{2,}\s*\.\.\.|(\d{6,})\5\s*\.\.\.)", re.ASCII
)


def _as_fraction(match: re.Match) -> str:
    """A decimal with a line over its period, or with dots after it, as the fraction that it is."""
    whole, fixed, *periods = match.groups()
    period = next(filter(None, periods))
    return (
        rf"\frac{{{int(whole + fixed + period) - int(whole + fixed or 0)}}}{{{'9' * len(period) + '0' * len(fixed)}}}"
    )


_UNIT_VECTOR = re.compile(r"\\(?:hat|vec|mathbf|boldsymbol|bm)\s*\{?\s*(?:\\mathbf\s*\{?\s*)?\\?([ijk])(?:math)?[\s}]*")


def _as_tuple(text: str) -> str:
    """A sum of at least two of the unit vectors i, j and k, in bold or with a hat, as the tuple of its coefficients."""
    *terms, rest = (_UNIT_VECTOR.sub("\0", text)).split("\0")
    names = _UNIT_VECTOR.findall(text)
    if len({*names}) < 2 or len({*names}) < len(names) or rest.strip(" .$)\\]"):
        return text
    label, _, terms[0] = terms[0].rpartition("=")
    values = {}
    for name, term in zip(names, terms, strict=True):
        term = term.strip(" $\\([")
        if term.count("(") != term.count(")") or (values and term[:1] not in ("+", "-")):
            return text
        values[name] = term + "1" if term in ("", "+", "-") else term
    return "(" + ",".join(values.get(name, "0").removeprefix("+") for name in "ijk"[: 2 + ("k" in values)]) + ")"


_UNITS = {  # a name for each unit, so that the same number of different units is told apart
    name: names.split()[0]
    for names in (
        "degree degrees deg", "m meter meters metre metres", "cm centimeter centimeters",
        "mm millimeter millimeters", "km kilometer kilometers", "inch inches in", "foot feet ft", "yard yards",
        "mile miles mi", "mph", "second seconds sec s", "minute minutes min", "hour hours hr hrs h", "day days",
        "week weeks", "month months", "year years yr", "dollar dollars usd", "cent cents", "yuan", "gram grams g",
        "kg kilogram kilograms", "pound pounds lb lbs", "liter liters l", "radian radians rad", "nm", "pm", "um",
        "angstrom angstroms", "ev", "kev", "mev", "gev", "joule joules j", "kj", "ml milliliter milliliters", "hz",
        "ghz", "mhz", "khz", "pa", "kpa", "mol", "erg ergs", "mg", "ms", "amu", "am",
    )
    for name in names.split()
}  # fmt: skip
_WORDS = "|".join(
    sorted(
        (unit for unit in _UNITS if len(unit) > 2 or unit in "cm mm km kg nm pm am ev kj hz".split()),
        key=len,
        reverse=True,
    )
)
_SYMBOLS = r"[kMG]?eV|[kMG]?Hz|k?Pa|kJ|m[lL]|ohms?|units?|m(?=\s*/\s*s)"
_POWER = r"(?:\s*\^\{(-?\d)\})?"
_IN_TEXT = TEXT + r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_IN_WORDS = r"(?<![A-Za-z\\{])((?:(?:square|cubic|sq\.?) )?(?:" + _WORDS + "|" + _SYMBOLS + r"))"
_PER = r"\s*/?\s*(?:" + TEXT + r"\{(?:[^{}]|\{[^{}]*\})*\}|per [a-z]+|/ ?[a-z]{1,4})" + _POWER
# 15 \text{ cm}^{2}, 3 square feet, 5 \mathrm{km} / \mathrm{h}, 2 meters per second
UNIT = re.compile(r"(?<=[\d})% ])\s*(?:" + _IN_TEXT + _POWER + "|" + _IN_WORDS + _POWER + ")((?:" + _PER + ")*)$")


def split_unit(text: str) -> tuple[str, str]:
    """(the answer without the text at its end, the name of the unit or ""): 15 \\text{ cm}^{2} is 15 and cm2.

    Any text after a number without variables is taken for its unit; bare words only where they name a known one.
    """
    match = UNIT.search(text)
    if match is None or re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", text[: match.start()])):
        if not text.endswith(r"^{\circ}") or re.search(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])", text):
            return text, ""
        return text.removesuffix(r"^{\circ}"), "degree^1"
    return text[: match.start()].strip(), _unit_name(match[0])


def _unit_name(text: str) -> str:
    """One spelling of a unit, "" where a word of it is not known: m/s and meters per second are metre^1 second^-1."""
    text = re.sub(r"(?i)(?<![a-z])mph(?![a-z])", "mile/hour", re.sub(TEXT, " ", text))
    powers, sign, factor = {}, 1, 1
    for per, square, cubic, word, power in _UNIT_WORD.findall(text):
        if per:
            sign = -1
        elif square or cubic:
            factor = 2 if square else 3
        else:
            name = _UNITS.get(word.lower() if word != "M" else word)
            if name is None:
                return ""
            powers[name] = powers.get(name, 0) + sign * factor * int(power or 1)
            factor = 1
    return " ".join(f"{name}^{power}" for name, power in sorted(powers.items()))


_UNIT_WORD = re.compile(r"(/|\bper\b)|\b(square|sq)\b|\b(cubic)\b|([A-Za-z]+)(?:\s*\}?\s*\^\{(-?\d)\})?")


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
