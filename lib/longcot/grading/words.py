"""Answers in letters and words: choices, names, prose."""

import re

from longcot.grading.answers import FUNCTIONS, TEXT, UNIT
from longcot.grading.notation import split

_CHOICE = re.compile(r"\(?([A-Za-z])\)?")
# C, the middle one; C (the middle one); option C
_TOLD = r"\(?{0}\)?\s?[,(–—-]\s?(?:[a-z]+\s)*[a-z]{{3}}|(?i:option|choice|answer)\s?:?\s\(?{0}\)?$"
_PROSE = re.compile(
    r"(?<![A-Za-z\\{_])(?!"
    + FUNCTIONS.replace("|", r"\b|")
    + r"\b)[A-Za-z]*[a-z][A-Za-z]{2,}|[^\x00-\u024f\u0370-\u03ff]"
)


def flat(text: str) -> str:
    """Without spaces that do not matter and marks of type; nothing that could make another answer of it."""
    text = re.sub(TEXT + r"\{([^{}]*)\}", r"\1", text)
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text)


def same_choice(c: str, r: str) -> bool | None:
    """The verdict on letters of a multiple choice and other single letters, None where neither is one."""
    one, other = (_CHOICE.fullmatch(text.strip()) for text in (c, r))
    if one and other:
        return one[1] == other[1] or (other[1] in "ABCDEFGH" and one[1].upper() == other[1])
    for letter, text in ((other, c), (one, r)):  # (C) 12 is C, but (B) and (C) is neither
        text = re.sub(TEXT + r"\{([^{}]*)\}", r"\1 ", text)
        if letter and letter[1] in "ABCDEFGH" and re.match(rf"\({letter[1]}\)\s|{letter[1]}\s?[.:)]\s", text.strip()):
            return {*re.findall(r"\(([A-H])\)", text)} <= {letter[1]}
        if letter and letter[1] in "ABCDEFGH" and re.match(_TOLD.format(letter[1]), text.strip()):
            return {*re.findall(r"(?<![A-Za-z])([A-H])(?![A-Za-z])", text)} <= {letter[1]}
    return None


def without_choice(text: str, reference: str) -> str:
    """(C) 12 is 12 where no letter is asked for."""
    if _CHOICE.fullmatch(reference):
        return text
    return re.sub(rf"^(?:{TEXT}\{{)?\s*\([A-H]\)(?:\s*\}}|\s)\s*(?=\S)", "", text)


def has_words(text: str) -> bool:
    """Whether there are words in it that are neither mathematics nor the unit of an element."""
    for part in split(text):
        plain = re.sub(r"_\{(?:[^{}]|\{[^{}]*\})*\}", "", UNIT.sub("", part))
        plain = re.sub(TEXT + r"\{([^{}]*)\}", r" \1 ", plain)
        if _PROSE.search(re.sub(r"\\(?:begin|end)\{[a-z]+\}|\\[A-Za-z]+", " ", plain)):
            return True
    return False


def same_words(c: str, r: str) -> bool:
    """Texts are the same where their letters and signs are."""
    one, other = (re.sub(r"[.,\"'“”]", "", flat(text)).casefold() for text in (c, r))
    return one == other
