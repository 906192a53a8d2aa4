"""Texts in pieces that a page opened from disk can read: scripts that hold compressed text and where its formulas are.

A page opened from disk may load scripts that lie beside it, and nothing else. A piece is a script of one call,
`longcotPiece(name, texts, marks)`, both deflated and in base64, so nothing a text holds is ever part of a script.
"""

import base64
import json
import re
import zlib
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longcot.files.writing import write_whole
from longcot.report.safe_html import formulas
from longcot.traces.properties import split_thinking

PIECE = 1_000_000  # characters from which a piece is full
BETWEEN = "\0"  # texts; no text that was made visible holds it
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


class Pieces:
    """Writes texts into pieces of a folder, one after the other; `add` says where each lies: (piece, place in it)."""

    def __init__(self, folder: Path):
        self._folder, self._count = folder, 0
        self._clear()

    def _clear(self) -> None:
        self._texts: list[str] = []
        self._marks: list[dict[str, Any]] = []
        self._formulas: dict[str, int] = {}
        self._size = 0

    def add(self, text: str, answer: tuple[int, int] | None = None) -> tuple[int, int]:
        """Add a text, already visible; `answer` is where its final answer stands, in characters."""
        if self._size > PIECE:
            self.close()
        self._texts.append(text)
        self._marks.append(self._marked(text, answer))
        self._size += len(text)
        return self._count, len(self._texts) - 1

    def close(self) -> None:
        """Write what was added since the last piece as one. What comes next begins another."""
        if self._texts:
            marks = {"formulas": list(self._formulas), "texts": self._marks}
            parts = (BETWEEN.join(self._texts), json.dumps(marks, ensure_ascii=False, separators=(",", ":")))
            write_script(self._folder, str(self._count), *parts)
            self._count += 1
            self._clear()

    def _marked(self, text: str, answer: tuple[int, int] | None) -> dict[str, Any]:
        """What a page has to know of a text, in UTF-16 units as a browser counts.

        `formulas`: start, length and number of each, in a row; `thought` and `answer`: start and end, where there are
        such. A formula that a thought's end cuts is none; an answer takes in the formula that it is part of.
        """
        thought = _thought(text)
        found = [
            (start, end, mathml)
            for start, end, mathml in formulas(text)
            if not any(start < cut < end for cut in thought or ())
        ]
        if answer:
            cut = [(start, end) for start, end, _ in found if start < answer[1] and answer[0] < end]
            answer = min([answer[0], *(start for start, _ in cut)]), max([answer[1], *(end for _, end in cut)])
        at = _utf16(text)
        flat = [
            number
            for start, end, mathml in found
            for number in (at(start), at(end) - at(start), self._formulas.setdefault(mathml, len(self._formulas)))
        ]
        spans = {"thought": thought, "answer": answer}
        return {"formulas": flat} | {name: [at(span[0]), at(span[1])] for name, span in spans.items() if span}


def write_script(folder: Path, name: str, *texts: str) -> None:
    """Write texts as a piece of that name."""
    packed = ",".join(f'"{base64.b64encode(zlib.compress(text.encode())).decode()}"' for text in texts)
    write_whole(folder / f"{name}.js", f'longcotPiece("{name}",{packed})\n')


def _thought(text: str) -> tuple[int, int] | None:
    """Where the thinking of a text stands that marks it."""
    thinking, _ = split_thinking(text)
    start = text.find(thinking) if thinking else -1
    return (start, start + len(thinking)) if thinking and start >= 0 else None


def _utf16(text: str) -> Callable[[int], int]:
    """A function from a place in characters to one in UTF-16 units, which count a character beyond U+FFFF twice."""
    wide = [] if text.isascii() else [found.start() for found in _ASTRAL.finditer(text)]
    return lambda place: place + bisect_left(wide, place)
