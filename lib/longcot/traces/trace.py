"""Trace, and the append-only file of traces that is safe to kill and to resume."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.strict import first_error
from longcot.files.writing import is_file_at, open_locked, write_all, write_whole, writing
from longcot.traces.finish_reasons import finish_reason

Key = tuple[str, int, str]


class Trace(BaseModel):
    """One sample of one model on one problem. Lengths are in tokens of that model's tokenizer."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    problem_id: str
    sample: int
    problem: str
    expected_answer: str
    model: str
    adapter: str = ""
    prompt_style: str = ""
    stage: str = ""
    parent: str = ""
    text: str
    # "stop", "length", "overflow" (no room after the prompt), "empty" (the server lost its text), None: not said
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    answer: str | None = None
    correct: bool | None = None  # None: not graded yet
    # What was given of the response (prefill) stands at the beginning of `text`, and not in `completion_tokens`.
    given_tokens: int = Field(0, ge=0, exclude_if=lambda given: not given)
    given_characters: int = Field(0, ge=0, exclude_if=lambda given: not given)
    undecided: bool = Field(False, exclude_if=lambda undecided: not undecided)  # graded, but not in time: not correct

    @field_validator("finish_reason", mode="before")
    @classmethod
    def _in_our_words(cls, value: Any) -> Any:
        return finish_reason(value) or value

    @property
    def key(self) -> Key:
        """What is unique in a file."""
        return self.problem_id, self.sample, self.stage

    @property
    def finished(self) -> bool | None:
        """Whether it came to its end by itself; None where its source does not say. Nothing else decides this."""
        return None if self.finish_reason is None else self.finish_reason == "stop"

    @property
    def truncated(self) -> bool:
        """Whether it did not come to its end: the limit of tokens, or the context, was reached."""
        return self.finish_reason in ("length", "overflow", "empty")


def _parse(line: bytes, path: Path, number: int) -> Trace:
    try:
        return Trace.model_validate_json(line)
    except ValidationError as error:
        raise BadInput(
            f"{display_path(path)}:{number}: not a trace, {first_error(error)}; remove the line or import the file"
        ) from None


def _complete_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number, first byte, line) of each line that was written whole.

    A last one without its line end was torn by a kill and is not given.
    """
    start = 0
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n") and line.strip():
                yield number, start, line
            start += len(line)


def iter_traces(path: str | Path) -> Iterator[Trace]:
    """The traces of a file one by one, torn last line tolerated. Raises BadInput with file and line."""
    for _, trace in iter_placed(path):
        yield trace


def iter_placed(path: str | Path) -> Iterator[tuple[int, Trace]]:
    """`iter_traces`, each with the byte at which its line begins: `trace_at` reads it again, with its text."""
    path, seen = Path(path), {}
    if not path.is_file():
        raise BadInput(f"{display_path(path)}: no such file of traces; generate them first")
    for number, start, line in _complete_lines(path):
        trace = _parse(line, path, number)
        if trace.key in seen:
            raise BadInput(
                f"{display_path(path)}:{number}: {trace.key} stands in line {seen[trace.key]} already; remove "
                "one of the two"
            )
        seen[trace.key] = number
        yield start, trace


def trace_at(path: str | Path, start: int, key: Key) -> Trace:
    """The trace of that key, whose line begins at the byte `start`. Raises BadInput where the file was written anew."""
    with open(path, "rb") as file:
        file.seek(start)
        line = file.readline()
    try:
        trace = Trace.model_validate_json(line)
    except ValidationError:
        trace = None
    if trace is None or trace.key != key:
        raise BadInput(f"{display_path(path)}: was written anew while it was read; run the notebook again")
    return trace


def read_traces(path: str | Path) -> list[Trace]:
    """The traces of a file, torn last line tolerated. Raises BadInput with file and line."""
    return list(iter_traces(path))


class TraceWriter:
    """Appends traces to a file; as a context manager it holds the file's lock.

    Opening it reads what is there (`done`: the keys on disk) and cuts off a last line torn by a kill. Rows whose key
    is on disk already are not written twice. Raises BadInput where another process writes the file or changed it
    meanwhile, where the file holds a foreign line, and where it cannot be written, a full disk for one; whole lines
    stay.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.done: set[Key] = set()

    def __enter__(self) -> "TraceWriter":
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open_locked(self.path)
        try:
            self.done = {trace.key for trace in iter_traces(self.path)}
            self._whole = sum(len(line) for line in open(self.path, "rb") if line.endswith(b"\n"))  # bytes
            if os.fstat(self._file.fileno()).st_size > self._whole:
                self._file.truncate(self._whole)
        except BaseException:
            self._file.close()
            raise
        return self

    def append(self, traces: Iterable[Trace]) -> int:
        """Write the traces that are not on disk yet, and see them safely there. Returns how many were new."""
        new = [trace for trace in traces if trace.key not in self.done]
        lines = b"".join(trace.model_dump_json().encode() + b"\n" for trace in new)
        self._check()
        with writing(self.path):
            try:
                write_all(self._file, lines)
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(self._whole)  # half a line must not stand before a whole one
                raise
        self._whole += len(lines)
        self.done.update(trace.key for trace in new)
        return len(new)

    def _check(self) -> None:
        if not is_file_at(self._file, self.path) or os.fstat(self._file.fileno()).st_size != self._whole:
            raise BadInput(
                f"{display_path(self.path)}: was removed or changed while it was written; run the same command "
                "again, which "
                "makes what is missing"
            )

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._check()
        finally:
            self._file.close()


@contextmanager
def held(path: str | Path) -> Iterator[None]:
    """While it lasts no other process writes this file of traces. Raises BadInput where one does, or without a file."""
    if not Path(path).is_file():
        raise BadInput(f"{display_path(path)}: no such file of traces; generate them first")
    with writing(path):
        file = open_locked(path)
    with file:
        yield


def write_traces(path: str | Path, traces: Iterable[Trace]) -> None:
    """Write a whole file anew: beside the old one first, then renamed over it, so that no half file is ever seen."""
    write_whole(path, "".join(trace.model_dump_json() + "\n" for trace in traces))


def trace_counts(path: str | Path) -> dict[str, int]:
    """How many `traces` a file has, and how many of them are `undecided`. Raises BadInput as `iter_traces` does."""
    undecided = [trace.undecided for trace in iter_traces(path)]
    return {"traces": len(undecided), "undecided": sum(undecided)}
