"""Whether two answers are the same mathematically: lists, tuples, intervals and relations are taken apart, expressions
are read by Math-Verify's parser and compared as numbers or at points. Unbounded in time: for a worker process only."""

import re

from longcot.grading.answers import TEXT, normalise, quick, split_unit
from longcot.grading.expressions import same_equation, same_expression
from longcot.grading.extraction import conclusion, last_box
from longcot.grading.notation import (
    RELATION,
    bare,
    bracketed,
    comma_of,
    elements,
    interval,
    is_multiple,
    labelled,
    matrix_rows,
    same_label,
    sides_of,
    split,
    value_of,
)
from longcot.grading.numerals import number, same_number
from longcot.grading.parsing import math_verify
from longcot.grading.pieces import last_piece
from longcot.grading.real_sets import same_real_set
from longcot.grading.words import flat, has_words, same_choice, same_words, without_choice

_CONDITION = re.compile(  # not "if x > 0, else …", which is another answer
    r"[,;(]?\s*(?<![A-Za-z\\])(?:" + TEXT + r"\{\s*)?(?:for|where|if|when|provided|assuming)(?![A-Za-z])"
    r"(?!.*(?:otherwise|else)).*$",
    re.DOTALL,
)
_INTEGER = re.compile(r"[,;]?\s*\(?\s*[a-z]\s*\\in\s*(?:\\mathbb)?\s*\{?\s*[ZN]\s*\}?\s*\)?$")
_BASE = re.compile(r"\(?(-?[\dA-F]+)\)? ?_\{ ?(?:" + TEXT + r"\{|\()?([\da-z]+)[})]?\}")
_DIGITS = "one two three four five six seven eight nine ten eleven twelve".split()


def equivalent(candidate: str, reference: str) -> bool:
    """Whether `candidate` answers for the expected `reference`."""
    if (known := quick(candidate, reference)) is not None:
        return known
    texts = [last_box(text) or text if "boxed" in text else text for text in (candidate, reference)]
    c, r = map(normalise, texts)
    for condition in (_CONDITION, _INTEGER):
        if not condition.search(r):
            c = condition.sub("", c)
    if not c or not r:
        return False
    if same(c, r):
        return True
    if (
        has_words(c) and not has_words(r) and (len(c.split()) > 3 or not c.isascii())
    ):  # prose answers for what it ends with
        ends = {conclusion(texts[0]), last_piece(texts[0])} - {None, texts[0]}
        return any(same(normalise(end), r) for end in ends)
    return False


def same(c: str, r: str) -> bool:
    """`equivalent` of normalised answers."""
    c, r = bare(c), bare(r)
    if flat(c) == flat(r):
        return bool(flat(c))
    if (verdict := same_choice(c, r)) is not None:
        return verdict
    c = without_choice(c, r)
    bases = [_BASE.fullmatch(text) for text in (c, r)]
    if any(bases):  # 52_{8} is asked for in base 8: 52 answers for it, 42 does not
        digits = [base[1] if base else text.strip() for base, text in zip(bases, (c, r), strict=True)]
        systems = {str(_DIGITS.index(base[2]) + 1 if base[2] in _DIGITS else base[2]) for base in bases if base}
        return digits[0] == digits[1] and len(systems) == 1
    units = [split_unit(c), split_unit(r)]
    if all(unit for _, unit in units) and units[0][1] != units[1][1]:
        return False
    numbers = [number(text) for text, _ in units]
    if all(numbers):
        if any(one.percent for one in numbers) and any(unit for _, unit in units):
            return False
        if same_number(*numbers):
            return True
        if not any(map(comma_of, (c, r))):
            return False
    (c, _), (r, _) = units
    if has_words(c) or has_words(r):
        return same_words(c, r)
    for one, other in ((c, r), (r, c)):  # 3,14 for 3.14; a reference with a comma is a list, unless it begins with 0
        if comma_of(one) == "decimal" and (one is c or one.startswith("0,")) and "." in other:
            values = [number(text.replace(",", ".")) for text in (one, other)]
            return all(values) and values[0].value == values[1].value
    return _same_structure(c, r)


def _same_structure(c: str, r: str) -> bool:
    matrices = [matrix_rows(text) for text in (c, r)]
    if any(matrices):
        return _same_matrices(c, r, *matrices)
    if same_real_set(c, r):
        return True
    pieces = [elements(text) for text in (c, r)]
    if max(map(len, pieces)) > 1 or any(text.startswith("\\{") and text.endswith("\\}") for text in (c, r)):
        return _same_lists(c, r, *pieces)
    sides = [sides_of(text) for text in (c, r)]
    if max(map(len, sides)) > 1:
        return _same_equations(*sides)
    c, r = sides[0][0] if sides[0] else c, sides[1][0] if sides[1] else r
    unions = [split(re.sub(r"\\cup(?![a-z])", "\0", text), "\0") for text in (c, r)]
    if max(map(len, unions)) > 1:
        return len(unions[0]) == len(unions[1]) and _matched(*unions)
    if any(RELATION.search(text) for text in (c, r)):
        return _same_relations(c, r)
    brackets = [bracketed(text) for text in (c, r)]
    if any(brackets):
        return _same_brackets(c, r, *brackets)
    if any(":" in text for text in (c, r)):
        ratios = [split(text, ":") for text in (c, r)]
        return len(ratios[0]) == len(ratios[1]) > 1 and all(map(same, *ratios))
    return same_expression(c, r)


def _same_lists(c: str, r: str, cs: list[str], rs: list[str]) -> bool:
    """Lists in any order, as sets are; a list with the same element twice is a sequence, in which order counts.

    A list of labelled values answers for a tuple in its order, and a tuple is answered by a bare list in its order.
    """
    for one, others in ((c, rs), (r, cs)):
        inner = bracketed(one)
        if inner and len(others) == len(inner[1]) > 1 and inner[0] == "()":
            if "\\{" in (c[:2], r[:2]):
                return False  # a tuple is no set
            ends = [number(part) for part in inner[1]]
            if one is c and len(ends) == 2 and all(ends) and ends[0].value < ends[1].value:
                return False  # it may be an interval, and the reference is none
            ours, theirs = (inner[1], others) if one is c else (others, inner[1])
            return all(map(same, map(value_of, ours), map(value_of, theirs)))
    for parts, one, other in ((cs, c, r), (rs, r, c)):
        if len(parts) == 1 and value_of(one) != one and one != other:
            return same(value_of(c), value_of(r))
        if len(parts) > 1 and all(map(RELATION.search, parts)) and all(spans := [interval(part) for part in parts]):
            union = r" \cup ".join(span for _, span in spans)  # x < -a or x > a
            return same(union, r) if one is c else same(c, union)
    if len(rs) == 1 and len(cs) > 1 and not bracketed(r):  # the same value in several forms
        return all(same(value_of(one), value_of(r)) for one in cs)
    if len(cs) > len(rs) and len({*map(flat, rs)}) == len(rs):
        cs = list({flat(part): part for part in cs}.values())
    if len(cs) != len(rs):
        cs, rs = elements(c, linked=False), elements(r, linked=False)
    if len(cs) != len(rs):
        return False
    names = [[sides_of(part)[0] if len(sides_of(part)) > 1 else "" for part in parts] for parts in (cs, rs)]
    if all(all(labels) for labels in names) and len({*map(flat, names[0])}) > 1:
        values = [
            dict(zip(map(flat, labels), parts, strict=True)) for labels, parts in zip(names, (cs, rs), strict=True)
        ]
        if values[0].keys() == values[1].keys():
            return all(same(value_of(values[0][name]), value_of(values[1][name])) for name in values[0])
    named = any(len({flat(label)[:1] for label in labels if label}) > 1 for labels in names)
    if named or len({*map(flat, rs)}) < len(rs):
        return all(map(same, map(value_of, cs), map(value_of, rs)))
    return _matched(list(map(value_of, cs)), list(map(value_of, rs)))


def _matched(cs: list[str], rs: list[str]) -> bool:
    """Whether each element answers for another one of the reference."""
    left = list(rs)
    for one in cs:
        hit = next((other for other in left if same(one, other)), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left


def _same_equations(cs: list[str], rs: list[str]) -> bool:
    """Equations; a side that only names the value (`x = 5`, `f(x) = 2x`, `\\angle A = 5`) is a label."""
    names = [[*map(flat, sides)] for sides in (cs, rs)]
    if all(re.fullmatch("[A-Z]{2,}", name) for name in names[0] + names[1]):
        return sorted(names[0]) == sorted(names[1])  # MC = MR: names, not products of letters
    (c_name, c), (r_name, r) = labelled(cs), labelled(rs)
    if c is not None and r is not None:
        if c_name and r_name and not same_label(c_name, r_name):
            return same_equation((c_name, c), (r_name, r))
        if c_name and re.fullmatch(r"\(?[A-H]\)?", r):
            return c == r  # z = c is not choice (C)
        argument = [re.search(r"\(\s*(\w)\s*\)", name) for name in (c_name, r_name)]
        if all(argument) and argument[0][1] != argument[1][1]:
            c = re.sub(rf"(?<![A-Za-z\\]){argument[0][1]}(?![A-Za-z])", argument[1][1], c)
        return same(c, r)
    if len(rs) == 1 and number(rs[0]) and number(rs[0]).value and number(cs[-1]) and not is_multiple(cs[0]):
        return same(cs[-1], rs[0])  # (x + y)^2 = 81 where 81 is asked for
    if len(cs) < 2 or len(rs) < 2:
        return False
    if len(cs) == len(rs) and all(map(same, cs, rs)):
        return True
    return same_equation((cs[0], cs[-1]), (rs[0], rs[-1]))


def _same_brackets(c: str, r: str, one: tuple | None, other: tuple | None) -> bool:
    if one is None or other is None:
        return False
    if len(one[1]) != len(other[1]) or (one[0] != other[0] and len(one[1]) == 2):
        return False
    return all(map(same, one[1], other[1]))


def _same_matrices(c: str, r: str, one: list | None, other: list | None) -> bool:
    """Element by element; a vector may be written as a tuple."""
    for text, matrix in ((c, other), (r, one)):
        inner = bracketed(text)
        if inner and matrix and 1 in (len(matrix), len(matrix[0])):
            flat = [cell for row in matrix for cell in row]
            return len(flat) == len(inner[1]) and all(map(same, *((inner[1], flat) if text is c else (flat, inner[1]))))
    if one and other:
        return [*map(len, one)] == [*map(len, other)] and all(
            same(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
        )
    return math_verify(c, r)


def _same_relations(c: str, r: str) -> bool:
    """Inequalities, each as the interval of its variable where it has one; else by Math-Verify."""
    spans = [interval(text) for text in (c, r)]
    if all(spans):
        (c_name, c_span), (r_name, r_span) = spans
        return (not c_name or not r_name or same_label(c_name, r_name)) and same(c_span, r_span)
    relations = [[RELATION.findall(text), RELATION.split(text)] for text in (c, r)]
    if relations[0][0] == relations[1][0] and all(map(same, relations[0][1], relations[1][1])):
        return True
    return math_verify(c, r)
