"""A response as its tokens show it: the text of each, and what kind of token it is."""

import re
from collections.abc import Sequence
from typing import Any

from longcot.grading.extraction import boxes
from longcot.traces.behaviours import behaviour_spans

KINDS = ("opening", "step", "digits", "check", "box", "end")
CHECKS = ("verification", "backtracking")


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text that each token adds to those before it; joined they are the text of all.

    Of a character in several tokens the last one has it, and the others are empty.
    """
    texts, done, told = [], 0, ""  # what is decoded again at each step begins at the token before the last whole one
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[done:end], clean_up_tokenization_spaces=False)
        if text.endswith("\ufffd") and end < len(ids):
            texts.append("")
            continue
        texts.append(text[len(told) :])
        done = end - 1
        told = tokenizer.decode(ids[done:end], clean_up_tokenization_spaces=False)
    return texts


def token_kinds(texts: Sequence[str], ends: bool) -> list[str]:
    """The kind of each token of a response, one of `KINDS`, by their texts; `ends` says that the last one ends it.

    The first that holds: `end`; `box`, in a boxed answer; `opening`, in the first line that is not empty; `check`, in a
    line in which the rules for verification or backtracking match (`traces.behaviours`); `digits`, with a digit in it;
    `step`, all others. A token is in what has one of its characters.
    """
    text = "".join(texts)
    first = re.match(r"\s*[^\n]*", text).end()
    spans = [(start, end, "box") for start, end, _ in boxes(text)] + [(0, first, "opening")]
    for span in behaviour_spans(text):
        if span.behaviour in CHECKS:
            line_end = text.find("\n", span.end)
            spans.append((text.rfind("\n", 0, span.start) + 1, len(text) if line_end < 0 else line_end, "check"))
    kinds, at = [], 0
    of_place = [""] * len(text)
    for start, end, kind in reversed(spans):  # the checks are written first, the opening over them, boxes over all
        of_place[start:end] = [kind] * (end - start)
    for piece in texts:
        found = next(filter(None, of_place[at : at + len(piece)]), "")
        kinds.append(found or ("digits" if any(sign.isdigit() for sign in piece) else "step"))
        at += len(piece)
    if ends:
        kinds[-1] = "end"
    return kinds
