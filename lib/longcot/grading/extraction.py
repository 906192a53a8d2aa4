"""The final answer out of a model's text."""

import re

_END_OF_THINKING = re.compile(r"</think>|<\|end_of_thought\|>")
_START_OF_THINKING = re.compile(r"<think>|<\|begin_of_thought\|>")
_NEXT_TURN = re.compile(r"<\|im_start\|>|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>")
_MARKS = re.compile(r"<\|\w+\|>|\s*I hope it is correct\.?")
_BRACES = re.compile(r"\\+(?:boxed|fbox)\s*\{|\\[\\{}]|[{}]")
# what may stand between two boxes, or two pieces of mathematics, that are one answer: "\boxed{1} and x_2 = \boxed{2}"
_JOINT = re.compile(r"(?:[\s$,;&()]|\\[()\[\] ,;]|\\q?quad|\\text\{[^{}]*\}|and\b|or\b|[A-Za-z](?:_\{?\w\}?)?\s*=)*")
_PHRASE = re.compile(
    r"(?i)\b(?:answer|réponse)\b(?: for [^:\n]{1,40})?[*_]*\s*(?:is\b|est\b|[:：])[\s*_:]*"
    r"|答案\s*[是为:：]*|(?m:^\W*final answers?\W*$|^####\s*\$?)"  # the last one is GSM8K's
)
_MATHS = re.compile(r"(?<!\\)\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\(([^\n]+?)\\\)|(?<!\\)\$([^$\n]+?)(?<!\\)\$", re.DOTALL)
_NUMERAL = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
_TUPLE = r"[(\[]-?[\d./]+(?:, ?-?[\d./]+)+[)\]]"
_TIME = r"\d{1,2}:\d\d(?: ?[AaPp]\.?[Mm]\b\.?)?"
_NUMBER = re.compile(
    rf"(?<![A-Za-z0-9_.^{{\\])[-+]?(?:{_TIME}|{_NUMERAL}(?: \d+/\d+|/\d+)?%?|{_TUPLE}|\\frac\{{\d+\}}\{{\d+\}})"
    r"(?!\d*\^)"
)
_LONGEST = 1_000_000  # characters at the end of a text in which a box is looked for
_TAIL = 20_000  # characters at the end of a text in which an answer without a box is looked for
_WHOLE_END = re.compile(r"[\d.!?。)\]}$*\"'%:]\s*$")


def extract_answer(text: str) -> str | None:
    """The final answer of a model's text, None where there is none.

    The last complete `\\boxed{…}` with nested braces (boxes joined by no more than "and", "or", a comma are one answer,
    a list); else what follows the last "answer is" or "answer:"; else the last mathematics or number of the last
    sentence, unless the text stops in the middle of one. What stands after the end of thinking wins over what stands
    before it, and a box before it counts only where there is no answer after it. Thinking that was begun and never
    ended was cut: it has no answer. Nothing is taken from a turn that follows the model's.
    """
    if not text:
        return None
    if "<" not in text:  # no marks of turns or of thinking
        return last_box(text) or conclusion(text)
    if turn := _NEXT_TURN.search(text):
        text = text[: turn.start()]
    ends, starts = (list(mark.finditer(text)) for mark in (_END_OF_THINKING, _START_OF_THINKING))
    if starts and (not ends or ends[-1].start() < starts[-1].start()):
        return None
    if not ends:
        return last_box(text) or conclusion(text)
    after, before = text[ends[-1].end() :], text[: ends[-1].start()]
    return last_box(after) or conclusion(after) or last_box(before)


def boxes(text: str) -> list[tuple[int, int, str]]:
    """(start, end, inside) of each `\\boxed{…}` that closes and is not empty, outermost ones only."""
    found: list[tuple[int, int, str]] = []
    opened: list[tuple[int, int]] = []  # for each open brace where its box starts, or -1, and where its inside does
    for brace in _BRACES.finditer(text):
        sign = brace[0]
        if sign == "}":
            start, inside = opened.pop() if opened else (-1, 0)
            if start >= 0 and (content := text[inside : brace.start()].strip()):
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, brace.end(), content))
        elif sign[-1] == "{" and sign != "\\{":
            opened.append((brace.start() if len(sign) > 1 else -1, brace.end()))
    return found


def last_box(text: str) -> str | None:
    """What is in the last complete box, together with the boxes that it is joined with."""
    if not (found := boxes(text[-_LONGEST:]) if "box" in text else []):
        return None
    text = text[-_LONGEST:]
    parts = [found[-1][2]]
    for (_, end, inside), (start, *_) in zip(found[-2::-1], found[:0:-1], strict=True):
        if start - end > 60 or not _JOINT.fullmatch(text[end:start]) or "\n\n" in text[end:start]:
            break
        parts.insert(0, inside)
    distinct = list(dict.fromkeys(parts))
    return ", ".join(distinct)


def conclusion(text: str) -> str | None:
    """The answer of a text without a box."""
    ended = "<|end_of_solution|>" in text
    text = re.sub(r"\\boxed\s*\{\s*\}", "", _MARKS.sub("", text[-_TAIL:])).strip()
    if not text:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and not (ended or _WHOLE_END.search(text) or "final answer" in lines[-1].lower()):
        return None  # it stops in the middle of a sentence
    if phrases := list(_PHRASE.finditer(text)):
        rest = text[phrases[-1].end() :].strip()
        head = re.split(r"\n|(?<=[^\d\s])[.。](?:\s|$)|(?<=\d)\.(?:\s|$)", rest)[0].strip(" *_")
        if rest and (opening := _MATHS.match(rest) or _NUMBER.match(rest)):
            return _joined(rest, [opening, *_MATHS.finditer(rest, opening.end())], first=True)
        if found := last_piece(head) or (head if len(head) < 100 and phrases[-1].end() >= len(text) - 300 else None):
            return found
    if len(lines) == 1 and "boxed" not in text and _is_answer(text):
        return text
    for line in lines[:-5:-1]:  # "I think that's the answer." names none: the lines above it do
        if found := last_piece(re.split(r"(?<=[A-Za-z)$])\.\s+(?=[A-Z])", line)[-1]) or last_piece(line):
            return found
        if not re.search(r"[A-Za-z]", line):
            break
    return _last_display(text[max(0, len(text) - 2000) :])


def _is_answer(text: str) -> bool:
    """Whether a line is an answer itself, not a sentence: few words around its mathematics, none with a capital."""
    words = re.findall(r"(?<![\\A-Za-z{])[A-Za-z]{2,}", _MATHS.sub(" ", text))
    sentence = text.endswith((".", "。")) or ":" in _MATHS.sub(" ", text) or any(word[0].isupper() for word in words)
    return len(text) < 120 and text.isascii() and len(words) <= 4 and not (words and sentence)


def _last_display(text: str) -> str | None:
    """The mathematics that a text ends with, over several lines."""
    maths = list(_MATHS.finditer(text))
    return _inside(maths[-1]) if maths and not re.search(r"\w", text[maths[-1].end() :]) else None


def _inside(match: re.Match) -> str:
    return next((group for group in match.groups() if group), match[0]).strip()


def last_piece(text: str) -> str | None:
    """The last mathematics or number of a text."""
    maths = list(_MATHS.finditer(text))
    numbers = [
        found
        for found in _NUMBER.finditer(text)
        if not any(m.start() < found.end() and found.start() < m.end() for m in maths)
    ]
    if numbers and (not maths or numbers[-1].start() > maths[-1].start()):
        return numbers[-1][0]
    return _joined(text, maths) if maths else None


def _joined(text: str, pieces: list[re.Match], first: bool = False) -> str:
    """The last (or first) piece of mathematics with those it is joined with, and the percent sign or unit after it."""
    pieces = pieces if first else pieces[::-1]
    parts, end = [_inside(pieces[0])], pieces[0]
    last = pieces[0]
    for piece in pieces[1:]:
        gap = text[end.end() : piece.start()] if first else text[piece.end() : end.start()]
        if not gap.strip() or not _JOINT.fullmatch(gap) or "\n" in gap:
            break
        parts.append(_inside(piece))
        end = piece
        last = piece if first else last
    unit = re.match(r"\s*(%|percent\b|pct\b)", text[last.end() :])
    return ", ".join(parts if first else parts[::-1]) + (" " + unit[1] if unit else "")
