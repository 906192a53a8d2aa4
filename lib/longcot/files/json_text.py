"""JSON that others wrote: an object a line, an array of objects, an object that holds one; read piece by piece."""

import codecs
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from longcot.files.encoding import decoded, not_utf8
from longcot.files.errors import BadInput

LARGEST = 2**28  # characters of one row, and bytes of a document that is one object
HOLDERS = ("data", "rows", "records", "examples")  # keys under which the rows of such an object stand
_CHUNK = 2**20


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return row


_DECODER = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=_once)


def _not_json(where: str, error: Exception, fix: str) -> BadInput:
    reason = getattr(error, "msg", str(error))
    return BadInput(f"{where}: not JSON ({reason}); {'write each backslash twice' if 'escape' in reason else fix}")


def _row(value: Any, raw: str, where: str, unit: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where}: not a JSON object; each {unit} must be one")
    if "\\ud" in raw or "\\uD" in raw:  # JSON may hold half a surrogate pair, which no file takes
        whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
        value = json.loads(whole.decode("utf-16", "replace"))
    return value


def object_lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line. Raises BadInput at the first that is no JSON object, or not in UTF-8."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        text = decoded(line, where)
        try:
            value = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:  # not JSON, too long or too deep
            raise _not_json(where, error, "fix or remove the line") from None
        yield number, _row(value, text, where, "line")


def array_rows(file: io.BufferedIOBase, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """("row 1", object) of each element of the array that a file is, read piece by piece. Raises BadInput."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    buffer, at, number, passed = "", 0, 0, 0  # passed: line ends before the buffer

    def where() -> str:
        return f"{name}:{passed + buffer.count(chr(10), 0, at) + 1}"

    def more() -> bool:
        nonlocal buffer, at, passed
        raw = file.read(max(_CHUNK, len(buffer) - at))
        try:
            read = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line = passed + buffer.count("\n") + error.object.count(b"\n", 0, error.start) + 1
            raise not_utf8(f"{name}:{line}", error.object[error.start]) from None
        if raw:
            passed += buffer.count("\n", 0, at)
            buffer, at = buffer[at:] + read, 0
        return bool(raw)

    def next_sign() -> str:
        """The next character that is no white space; none at the end."""
        nonlocal at
        while True:
            while at < len(buffer) and buffer[at] in " \t\r\n\ufeff":
                at += 1
            if at < len(buffer) or not more():
                return buffer[at : at + 1]

    next_sign()
    at += 1
    sign = next_sign()
    while sign != "]":
        try:
            value, end = _DECODER.raw_decode(buffer, at)
        except (ValueError, RecursionError) as error:
            if isinstance(error, json.JSONDecodeError) and len(buffer) - at < LARGEST and more():
                continue
            line = passed + buffer.count("\n", 0, getattr(error, "pos", at)) + 1
            raise _not_json(f"{name}:{line}", error, f"fix row {number + 1} of the array") from None
        number += 1
        yield f"row {number}", _row(value, buffer[at:end], f"{name}:row {number}", "row")
        at = end
        sign = next_sign()
        if sign not in (",", "]"):
            found = f"{sign!r}" if sign else "the end of the file"
            raise BadInput(f"{where()}: not JSON ({found} after row {number}, wanted , or ]); fix the array")
        if sign == ",":
            at += 1
            sign = next_sign()
    at += 1
    if sign := next_sign():
        raise BadInput(f"{where()}: not JSON ({sign!r} after the array's end); remove what follows")


def _columns(value: dict[str, Any]) -> bool:
    """Whether an object has columns under its keys, as pandas writes a table unless told otherwise."""
    if value.keys() == {"columns", "index", "data"}:
        return True
    inner = list(value.values())
    same = len(inner) > 1 and all(isinstance(one, dict) and one and one.keys() == inner[0].keys() for one in inner)
    return same and all(key.isdigit() for key in inner[0])


def held_rows(value: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]] | None:
    """The rows that an object holds, as `{"data": [...]}`; None where it holds none. Raises BadInput for columns."""
    for key in HOLDERS:
        rows = value.get(key)
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            return ((f"row {number}", row) for number, row in enumerate(rows, 1))
    if _columns(value):
        keys = ", ".join(list(value)[:8])
        raise BadInput(
            f"{name}:1: one JSON object with columns ({keys}); give one object a row (pandas: orient='records', "
            "lines=True)"
        )
    return None


def document_rows(file: io.BufferedIOBase, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows that one object over several lines holds. Raises BadInput, naming what else it is."""
    raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise BadInput(f"{name}: one JSON object of more than {LARGEST:,} bytes; write one object a line (.jsonl)")
    for number, line in enumerate(raw.split(b"\n"), 1):
        decoded(line, f"{name}:{number}")
    text = raw.decode()
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise BadInput(
                f"{name}:{error.lineno}: JSON objects of several lines each, one after the other; write one a line "
                "(jq -c .)"
            ) from None
        raise _not_json(f"{name}:{getattr(error, 'lineno', 1)}", error, "fix the file") from None
    value = _row(value, text, f"{name}:1", "row")
    rows = held_rows(value, name)
    if rows is None:
        keys = ", ".join(list(value)[:8])
        raise BadInput(
            f"{name}:1: one JSON object, with the keys {keys}; give one object a line, an array of them, or "
            '{"data": [...]}'
        )
    return rows
