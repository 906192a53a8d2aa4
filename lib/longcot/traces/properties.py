"""What a trace is like: difficulty of its problem, length, answer type, scripts, repetition, loops, compression.

Each function gives one property, its formula and where that is from. What a set of traces is like is in `diversity.py`.
"""

import re
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from longcot.files.errors import BadInput
from longcot.traces.trace import Trace
from longcot.traces.words import split_words, word_places

# Where the thinking ends in the formats of DeepSeek-R1 and QwQ, and of Sky-T1 and Still-2
_THOUGHT_ENDS = re.compile(r"</think>|<\|end_of_thought\|>")
_THOUGHT_BEGINS = re.compile(r"<think>|<\|begin_of_thought\|>")
_SOLUTION_MARKS = re.compile(r"<\|(?:begin|end)_of_solution\|>")


class Difficulty(NamedTuple):
    """A model's pass rate on a problem: the share of correct samples, its 95% interval, and of how many samples."""

    rate: float
    low: float
    high: float
    samples: int


def difficulties(traces: Iterable[Trace]) -> dict[str, Difficulty]:
    """The pass rate on each problem, the lower the harder, of the one model that the traces are of.

    c / n for c correct of n samples, with Wilson's score interval (1927, J. Am. Stat. Assoc. 22:209), the samples of
    one problem being independent. Raises BadInput for a trace that is not graded, and for traces of several models.
    """
    from scipy.stats import binomtest

    verdicts: dict[str, list[bool]] = {}
    model = None
    for trace in traces:
        if trace.correct is None:
            raise BadInput(f"problem {trace.problem_id!r}, sample {trace.sample}: not graded; use grading.grade first")
        made_by = (trace.model, trace.adapter)
        if model not in (None, made_by):
            raise BadInput(f"difficulty for {model[0]} and {made_by[0]} at once; give the traces of one model")
        model = made_by
        verdicts.setdefault(trace.problem_id, []).append(trace.correct)
    counts = {problem: (sum(correct), len(correct)) for problem, correct in verdicts.items()}
    intervals = {pair: binomtest(*pair).proportion_ci(method="wilson") for pair in set(counts.values())}
    return {
        problem: Difficulty(pair[0] / pair[1], float(intervals[pair].low), float(intervals[pair].high), pair[1])
        for problem, pair in counts.items()
    }


def split_thinking(text: str) -> tuple[str | None, str]:
    """(thinking, answer) of a text: what stands before and after the mark that ends a thought.

    The thinking is None where nothing is marked; all of the text is thinking where a thought begins and never ends.
    """
    if end := _THOUGHT_ENDS.search(text):
        thinking, answer = text[: end.start()], _SOLUTION_MARKS.sub("", text[end.end() :])
    elif _THOUGHT_BEGINS.search(text):
        thinking, answer = text, ""
    else:
        return None, text.strip()
    return _THOUGHT_BEGINS.sub("", thinking, count=1).strip(), answer.strip()


def thinking_span(text: str) -> tuple[int, int]:
    """The characters from which to which a text thinks, without its marks and the white space beside them.

    All of it but the white space at its ends where nothing is marked.
    """
    ends, begins = _THOUGHT_ENDS.search(text), _THOUGHT_BEGINS.search(text)
    end = len(text[: ends.start() if ends else len(text)].rstrip())
    start = begins.end() if begins and begins.end() <= end else 0
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end


_TYPES = (  # the first that matches all of an answer, without $, white space, \left, \right, and what \text{…} wraps
    ("empty", r""),
    ("integer", r"[-+]?\d{1,3}(?:,\d{3})+|[-+]?\d+"),
    ("decimal", r"[-+]?\d*\.\d+"),
    ("percentage or unit", r"[-+]?[\d.,]+(?:\\?%|\^\{?\\circ\}?|[a-zA-Z]{2,}[a-zA-Z/^\d{}]*)"),
    ("fraction", r"[-+]?(?:\\[dt]?frac\{-?\d+\}\{-?\d+\}|\\[dt]?frac\d\d|\d+/\d+)"),
    ("choice", r"\(?[A-H]\)?"),
    ("interval", r".*\\cup.*|(?:[a-z]\\in)?(?:\[.*,.*[\])]|\(.*,.*\]|\(-\\infty,.*\)|\(.*,\+?\\infty\))"),
    ("matrix", r".*\\begin\{[pbv]?(?:matrix|array)\}.*"),
    ("set", r"\\\{.*\\\}"),
    ("tuple", r"\(.*,.*\)"),
    ("equation", r".*(?:=|<|>|\\leq?|\\geq?|\\neq?).*"),
    ("list", r".*,.*"),
    ("words", r"[a-zA-Z]{2,}[a-zA-Z.'-]*"),
    ("expression", r".+"),
)
_TYPE_PATTERNS = tuple((name, re.compile(pattern, re.S)) for name, pattern in _TYPES)


def answer_type(answer: str) -> str:
    """What an expected answer is, by its form: integer, decimal, fraction, interval, tuple, …, else expression."""
    plain = re.sub(r"\\(?:left|right|,|!|;| )|\\\$|\s+|\$", "", answer)
    plain = re.sub(r"\\(?:text|mathrm|mbox)\{([^{}]*)\}", r"\1", plain)
    return next(name for name, pattern in _TYPE_PATTERNS if pattern.fullmatch(plain))


# Letters only; Greek is left out, being mathematics in most of these texts
_SCRIPTS = {
    "latin": "A-Za-zÀ-ÖØ-öø-ɏ",
    "han": "\u3400-\u4dbf\u4e00-\u9fff",
    "kana": "\u3041-\u30ff",
    "hangul": "\uac00-\ud7af",
    "cyrillic": "Ѐ-ӿ",
    "arabic": "\u0620-\u06ff",
    "hebrew": "\u05d0-\u05ea",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
}
_SCRIPT_PATTERNS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_COMMAND = re.compile(r"\\(?:begin|end)\{[A-Za-z*]*\}|\\[A-Za-z]+")


def scripts(text: str) -> dict[str, float]:
    """The share of each script among a text's letters, TeX commands left out; those that occur, and none for no letter.

    It tells languages apart by what they are written with: it finds Chinese in English, not French in English.
    """
    if text.isascii():
        return {"latin": 1.0} if re.search("[A-Za-z]", text) else {}
    plain = _COMMAND.sub("", text)
    counts = {name: len(pattern.findall(plain)) for name, pattern in _SCRIPT_PATTERNS.items()}
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items() if count}


def repeated_ngrams(text: str, n: int = 4) -> float:
    """The share of a text's word n-grams that stood in it before: 1 - distinct n-grams / n-grams; 0 below n words.

    seq-rep-n of Welleck et al. 2020 (arXiv 1908.04319), over words. It grows with length: compare at like length.
    """
    found = split_words(text)
    total = len(found) - n + 1
    return 1 - len(set(zip(*(found[i:] for i in range(n)), strict=False))) / total if total > 0 else 0.0


class Loop(NamedTuple):
    """A block that stands in a text again and again, back to back: characters `start` to `end`, how often it comes."""

    start: int
    end: int
    times: float


def loops(text: str, times: int = 4, words: int = 40, probe: int = 6) -> list[Loop]:
    """Where a text repeats itself word for word: a block at least `times` times in a row, of `words` words in all.

    The words are read once. Where `probe` words stood before, the distance is a period to try, and the loop goes on for
    as long as each word is the one a period before. Blocks that change a number each time are not loops here.
    """
    found: list[Loop] = []
    places = list(word_places(text))
    tokens = [place.group() for place in places]
    last: dict[int, int] = {}
    period, began = 0, 0

    def close(end: int) -> None:
        if period and end - began >= max(words, times * period):
            found.append(Loop(places[began].start(), places[end - 1].end(), (end - began) / period))

    for i, token in enumerate(tokens):
        here = hash(tuple(tokens[i - probe + 1 : i + 1])) if i + 1 >= probe else None
        if period and tokens[i - period] != token:
            close(i)
            period = 0
        if here is not None:
            if not period and here in last:
                period = i - last[here]
                began = max(i - probe + 1 - period, 0)
            last[here] = i
    close(len(tokens))
    return found


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it compressed (DEFLATE, level 6): the more it repeats itself, the higher.

    As in Shaib et al. 2024 (arXiv 2403.00553). It grows with length: compare at like length. 1 for an empty text.
    """
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw, 6)) if raw else 1.0
