"""The final answer out of a model's text."""

import re

from longcot.grading.pieces import JOINT, MATHS, NUMERAL, first_piece, first_sentence, inside, last_piece
from longcot.grading.turns import parts

_MARKS = re.compile(r"<\|\w+\|>|</?[A-Za-z_]{3,}>|\s*I hope it is correct\.?")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_BARE = (  # what a box without braces holds: all up to the end of its formula, else one number, command or letter
    rf"[^${{}}\n\\]{{1,30}}(?=\$|\\[)\]])|-?(?:{NUMERAL}(?:/\d+)?%?|\\[dt]?frac\d\d|\([^()\n]*\)"
    rf"|\\(?:[dt]?frac|sqrt|text\w*|math\w+|pi|infty)(?:{_GROUP})*|[A-Za-z](?=\.?\s*$))"
)
_BRACES = re.compile(rf"\\+(?:boxed|fbox|framebox)(?:\s*\{{| ?(?P<bare>{_BARE}))|\\[\\{{}}]|[{{}}]", re.MULTILINE)
_PLACEHOLDER = re.compile(  # of a prompt that is told again: \boxed{}, \boxed{your answer}
    r"(?i)|(?:\\text\s*\{)?\s*(?:\.\.+|…|\\[lc]?dots|\?+|_+|(?:(?:your|the|final|numerical|correct)\s+)*"
    r"(?:answer|result|solution)(?:\s+here)?)\s*\}?"
)
_TAG = re.compile(r"(?i)<(answer|final_answer|final)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_PHRASE = re.compile(
    r"(?i)\b(?:answer|réponse)\b(?: for [^:\n]{1,40})?[*_]*\s*(?:is\b|est\b|[:：])[\s*_:]*"
    r"|\bcorrect (?:option|choice) is[\s*:]*(?=\(?[A-H]\b)|答案\s*[是为:：]*"
    r"|(?m:^\W*final answers?\W*$|^####\s*\$?)"  # the last one is GSM8K's
)
_LONGEST = 1_000_000  # characters at the end of a text in which a box is looked for
_TAIL = 20_000  # characters at the end of a text in which an answer without a box is looked for
_RULE = re.compile(r"(?:\n[ \t]*[-*_=#]{3,}[ \t]*)+\s*\Z")
_WHOLE_END = re.compile(r"[\d.!?。)\]}$*\"'%:]\s*$")
_POINTER = re.compile(r"(?i)(?<![\\\w])(?:above|below|as follows|boxed|shown|clear|correct|verified|confirmed|here)\b")
_SENTENCES = re.compile(r"(?<=[A-Za-z)$\d])\.\s+(?=[A-Z])")
# "I checked it in 3 ways", "Both 2 methods agree", "I am 100% sure", "as in step 3": how it was done, no result
_WAYS = re.compile(
    r"(?i)\b(?:in|by|with|using|after|both|all|these|it|this|that) (?:all |both |the |these )?"
    r"(?:\d+|two|three|four|five|several) (?:\w+ )?(?:ways?|methods?|approach(?:es)?|times|checks?|steps?)\b"
)
_AGREES = re.compile(r"(?i)\b(?:(?:re)?check|verif|confirm|agree|match|consistent|same|correct)")
_ASIDE = re.compile(
    r"(?i)\b\d+(?:%| percent) (?:sure|certain|confident)|\bways? to (?:see|check|verify|show|prove)\b"
    r"|\b(?:step|equation|line|problem|question|exercise|section|figure|method|example)s? \(?#?\d+\)?\W*$"
)
_CONCLUDES = re.compile(
    r"(?i)^\W*(?:so|therefore|thus|hence|finally|in (?:total|conclusion)|altogether|overall|we (?:get|obtain|find))\b"
    r"|(?:\b(?:is|are|was|be|equals?|gives?|get|obtain|has|have)|[=:≈])\s*(?:exactly |only |about )?[\s$\\(\[*]*$"
)


def extract_answer(text: str) -> str | None:
    """The final answer of a model's text, None where there is none.

    What is in the last `<answer>` tags; else the last complete `\\boxed{…}` with nested braces (boxes joined by no more
    than "and", "or", a comma are one answer, a list); else what follows the last "answer is" or "answer:"; else the
    last mathematics or number of the last sentence, unless the text stops in the middle of one. What stands after the
    end of thinking wins over what stands before it, but a box before it over a sentence after it that concludes
    nothing ("I checked it in 3 ways."). Thinking that was begun and never ended was cut: it has no answer. Nothing is
    taken from a turn or problem that follows the model's own.
    """
    if not text:
        return None
    thoughts, said = parts(text)
    if said is None:
        return None
    inner = (_tagged(thoughts) or last_box(thoughts)) if thoughts else None
    return _tagged(said) or last_box(said) or conclusion(said, sure=bool(inner)) or inner


def _tagged(text: str) -> str | None:
    """The answer in the last tags for it that hold one; the end of a text may stand for the closing tag."""
    for tag in reversed(list(_TAG.finditer(text))) if "<" in text else ():  # mostly there is none
        told = tag[2].strip()
        if told and not _PLACEHOLDER.fullmatch(told):
            found = last_box(told) or conclusion(told)
            if found or (len(told) < 100 and not last_box(text)):
                return found or told
    return None


def boxes(text: str) -> list[tuple[int, int, str]]:
    """(start, end, inside) of each `\\boxed{…}` or `\\boxed 5` that closes and holds an answer, outermost ones only."""
    found: list[tuple[int, int, str]] = []
    opened: list[tuple[int, int]] = []  # for each open brace where its box starts, or -1, and where its inside does
    for brace in _BRACES.finditer(text):
        sign = brace[0]
        if sign == "}":
            start, within = opened.pop() if opened else (-1, 0)
            if start >= 0 and not _PLACEHOLDER.fullmatch(content := text[within : brace.start()].strip()):
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, brace.end(), content))
        elif sign[-1] == "{" and sign != "\\{":
            opened.append((brace.start() if len(sign) > 1 else -1, brace.end()))
        elif brace["bare"]:
            found.append((brace.start(), brace.end(), brace["bare"].strip()))
    return found


def answer_place(text: str) -> tuple[int, int] | None:
    """(start, end) of the final answer in a text: its last complete box, else the last place of `extract_answer`'s.

    None where there is no answer, or none that stands in the text as it is.
    """
    if found := boxes(text):
        return found[-1][:2]
    answer = extract_answer(text)
    start = text.rfind(answer) if answer else -1
    return (start, start + len(answer)) if start >= 0 else None


def last_box(text: str) -> str | None:
    """What is in the last complete box, together with the boxes that it is joined with."""
    if "box" not in text or not (found := boxes(text := text[-_LONGEST:])):
        return None
    answers = [found[-1][2]]
    for (_, end, content), (start, *_) in zip(found[-2::-1], found[:0:-1], strict=True):
        if start - end > 60 or not JOINT.fullmatch(text[end:start]) or "\n\n" in text[end:start]:
            break
        answers.insert(0, content)
    return ", ".join(dict.fromkeys(answers))


def conclusion(text: str, sure: bool = False) -> str | None:
    """The answer of a text without a box; with `sure` only what it states, or clearly concludes."""
    ended = "<|end_of_solution|>" in text
    text = _RULE.sub(
        "", re.sub(r"\\(?:boxed|fbox)(?:\s*\{\s*\}|(?!\s*\{|\w))", "", _MARKS.sub("", text[-_TAIL:]))
    ).strip()
    if not text:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and not (ended or _WHOLE_END.search(text) or "final answer" in lines[-1].lower()):
        return None  # it stops in the middle of a sentence
    if phrases := list(_PHRASE.finditer(text)):
        rest = text[phrases[-1].end() :].strip()
        head = first_sentence(rest)
        near = len(head) < 100 and phrases[-1].end() >= len(text) - 300 and not _POINTER.search(head)
        if rest and (found := first_piece(rest) or (head if near else None)):
            return found
    if len(lines) == 1 and "boxed" not in text and _is_answer(text):
        return text
    for remarks in (False,) if sure else (False, True):
        for line in lines[:-5:-1]:  # "I think that's the answer." names none: the lines above it do
            for sentence in _SENTENCES.split(line)[::-1]:
                found = last_piece(sentence) if remarks or not _is_remark(sentence) else None
                if found and not (sure and _is_aside(sentence, found)):
                    return found
            if not re.search(r"[A-Za-z]", line):
                break
    return _last_display(text[max(0, len(text) - 2000) :])


def _is_remark(sentence: str) -> bool:
    return bool((_WAYS.search(sentence) and _AGREES.search(sentence)) or _ASIDE.search(sentence))


def _is_aside(sentence: str, piece: str) -> bool:
    """Whether a sentence with this piece last in it does not look like one that says a result."""
    before = sentence[: max(0, sentence.rfind(piece.split(", ")[0]))]
    return bool(re.search(r"[A-Za-z]{2}", MATHS.sub(" ", sentence))) and not _CONCLUDES.search(before)


def _is_answer(text: str) -> bool:
    """Whether a line is an answer itself, not a sentence: few words around its mathematics, none with a capital."""
    words = re.findall(r"(?<![\\A-Za-z{])[A-Za-z]{2,}", MATHS.sub(" ", text))
    sentence = text.endswith((".", "。")) or ":" in MATHS.sub(" ", text) or any(word[0].isupper() for word in words)
    return len(text) < 120 and text.isascii() and len(words) <= 4 and not (words and sentence)


def _last_display(text: str) -> str | None:
    """The mathematics that a text ends with, over several lines."""
    maths = list(MATHS.finditer(text))
    return inside(maths[-1]) if maths and not re.search(r"\w", text[maths[-1].end() :]) else None
