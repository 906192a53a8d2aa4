"""Sets of real numbers as they are written: intervals, inequalities, unions, differences, points. For a worker only."""

import re
from fractions import Fraction

from longcot.grading.notation import RELATION, bare, bracketed, elements, interval, labelled, sides_of, split
from longcot.grading.parsing import constant

_OPERATION = re.compile(r"\\(?:cup|cap|setminus|backslash)(?![a-z])")


def same_real_set(c: str, r: str) -> bool:
    """Whether two texts are the same set of real numbers, one of them at least being written with `<` or `\\cup`.

    False for what is not read as a set whose ends are numbers.
    """
    if not any(RELATION.search(text) or _OPERATION.search(text) for text in (c, r)):
        return False
    names: set[str] = set()
    try:
        return bool(_real_set(c, names) == _real_set(r, names)) and len(names) < 2
    except MemoryError:  # not decided
        raise
    except Exception:  # no such set; the parser's and SymPy's errors share no base class
        return False


def _real_set(text: str, names: set[str]):
    """The set as SymPy has it; the variables it is written with are added to `names`. Raises for anything else."""
    from sympy import Complement, EmptySet, FiniteSet, Interval, S, Union

    text = bare(text)
    if text == "\\emptyset":
        return EmptySet
    for sign, operation in (("cup", "union"), ("cap", "intersect"), ("(?:setminus|backslash)", "-")):
        first, *rest = split(re.sub(rf"\\{sign}(?![a-z])", "\0", text), "\0")
        if rest:
            found = _real_set(first, names)
            for part in rest:
                other = _real_set(part, names)
                found = found - other if operation == "-" else getattr(found, operation)(other)
            return found
    if text.startswith("\\{"):
        return FiniteSet(*map(_end, elements(text)))
    if len(parts := split(text)) > 1:  # x < 2 or x > 3; where that would be every number, all have to hold
        sets = [_real_set(part, names) for part in parts]
        union = Union(*sets)
        if union != S.Reals:
            return union
        for each in sets:
            union = union.intersect(each)
        return union
    if RELATION.search(text) and "!=" in text:
        name, value = RELATION.split(text)
        names.add(_name(name))
        return Complement(S.Reals, FiniteSet(_end(value)))
    if len(sides := sides_of(text)) > 1:
        name, value = labelled(sides)
        names.add(_name(name))
        return _real_set(value, names) if bracketed(value) or value[:2] == "\\{" else FiniteSet(_end(value))
    name, span = interval(text)
    if name:
        names.add(_name(name))
    brackets, (low, high) = bracketed(span)
    return Interval(_end(low), _end(high), brackets[0] == "(", brackets[1] == ")")


def _name(label: str) -> str:
    if not re.match(r"\\?[A-Za-z]", label):
        raise ValueError(label)
    return re.sub(r"[_{}\s\\]|\(.*", "", label).lower()


def _end(text: str):
    from sympy import Rational, oo

    if text.strip(" +") in ("\\infty", "-\\infty"):
        return -oo if "-" in text else oo
    value = round(constant(text)[0].value, 30)
    return Rational(Fraction(value).numerator, Fraction(value).denominator)
