"""The rows of a file, in any of the forms in which people have problems and traces."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from longcot.files.encoding import not_utf8, other_encoding
from longcot.files.errors import BadInput
from longcot.files.json_text import array_rows, document_rows, held_rows, object_lines
from longcot.files.paths import display_path
from longcot.files.tables import csv_rows, parquet_rows

Place = int | str  # of a row: its line in a text file, else "row 3"

_PACKED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ENDING = re.compile(r"\.(?:jsonl|ndjson|json|csv|tsv|parquet)(?:\.(?:gz|bz2|xz))?$", re.IGNORECASE)
_START = 2**16  # bytes by which a file is told
_SIGNS = (  # the first bytes of what is not read
    (b"PK\x03\x04", "a ZIP archive, or a workbook of Excel", "unpack it, or save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel", "save the sheet as CSV UTF-8"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard", "unpack it (zstd -d)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x1f\x8b", "packed by gzip twice", "unpack it (gunzip)"),
    (b"ARROW1", "an Arrow file", "save it as Parquet or JSON lines"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "save it as Parquet or JSON lines"),
    (b"ORC", "an ORC file", "save it as Parquet or JSON lines"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or JSON lines"),
    (b"\x89HDF", "an HDF5 file", "save it as Parquet or JSON lines"),
    (b"SQLite format 3", "an SQLite database", "save the table as CSV"),
    (b"\x80\x04", "a Python pickle", "save it as Parquet or JSON lines"),
    (b"\x80\x05", "a Python pickle", "save it as Parquet or JSON lines"),
    (b"\x93NUMPY", "a NumPy array", "save it as Parquet or JSON lines"),
    (b"%PDF", "a PDF", "give the data itself"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data", "fetch it (git lfs pull)"),
)
_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_HEADER = re.compile(r"\"?[\w .-]+\"?(?:([,;\t])\"?[\w .-]+\"?)(?:\1\"?[\w .-]+\"?)*")


def place_name(place: Place) -> str:
    """A place as it stands in a sentence: "line 3", "row 3"."""
    return f"line {place}" if isinstance(place, int) else place


def is_row_file(name: str) -> bool:
    """Whether a name ends as those of files that are read here."""
    return bool(_ENDING.search(name))


def stem(name: str) -> str:
    """The last part of a path, without the ending of such a file."""
    return _ENDING.sub("", name.rsplit("/", 1)[-1])


def json_rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) of each line of a JSONL file. Raises BadInput at the first line that is no JSON object."""
    path = Path(path)
    with _opened(path) as lines:
        yield from object_lines(lines, display_path(path))


def file_rows(path: str | Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """(place, row) of each row of a file, which is told by what is in it: JSON lines, a JSON array, `{"data": [...]}`,
    CSV, TSV or Parquet, also packed by gzip, bzip2 or xz.

    A row of JSON lines and CSV stands at a line, any other at "row 3". All is read piece by piece but an object that
    holds the rows. Raises BadInput with the place, or with the name of another form.
    """
    path = Path(path)
    name = display_path(path)
    with _opened(path) as plain:
        packed = next((opens for sign, opens in _PACKED.items() if plain.peek(8).startswith(sign)), None)
        file = io.BufferedReader(packed(plain), _START) if packed else plain
        try:
            yield from _rows(file, path, name)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise BadInput(f"{name}: not whole ({error}); fetch or write it again") from None


def _opened(path: Path) -> io.BufferedReader:
    if not path.is_file():
        raise BadInput(f"{display_path(path)}: no such file; relative paths of a study are looked for in the project")
    try:
        file = open(path, "rb", buffering=_START)
    except OSError as error:
        raise BadInput(f"{display_path(path)}: cannot be read ({error.strerror}); check its permissions") from None
    if encoding := other_encoding(file.peek(4)[:4]):
        file.close()
        raise not_utf8(display_path(path), encoding)
    if file.peek(3).startswith(codecs.BOM_UTF8):
        file.read(3)
    return file


def _rows(file: io.BufferedReader, path: Path, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    start = file.peek(_START)
    if start.startswith(b"PAR1"):
        return parquet_rows(file, name)
    if found := next((sign for sign in _SIGNS if start.startswith(sign[0])), None):
        raise BadInput(f"{name}: {found[1]}; {found[2]}")
    if _PAGE.match(start):
        raise BadInput(f"{name}: a web page or XML; fetch the data itself")
    if encoding := other_encoding(start[:4]):
        raise not_utf8(name, encoding)
    if start.startswith(codecs.BOM_UTF8):
        file.read(3)
        start = start[3:]
    text = start.lstrip()
    first = text.split(b"\n", 1)[0].rstrip()
    if text.startswith(b"["):
        return array_rows(file, name)
    if text.startswith(b"{"):
        several = b"\n" in text and first.endswith((b"{", b"[", b",", b":"))
        return document_rows(file, name) if several else _lines_or_object(file, name)
    ending = _ENDING.search(path.name)
    if ending and ending[0].lower().startswith((".csv", ".tsv")):
        return csv_rows(file, name)
    if _HEADER.fullmatch(first.decode(errors="replace")):
        raise BadInput(f"{name}:1: a header of CSV by its first line; call the file .csv or .tsv")
    if not ending or ending[0].lower().startswith(".parquet"):
        raise BadInput(f"{name}: neither JSON lines, a JSON array, CSV nor Parquet by its first bytes; save it as one")
    return object_lines(file, name)


def _lines_or_object(file: io.BufferedReader, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """JSON lines; where there is one line alone, and it holds rows, those."""
    rows = object_lines(file, name)
    first = next(rows)
    second = next(rows, None)
    if second is None and (held := held_rows(first[1], name)):
        return held
    return chain([first], [second] if second else [], rows)


def value_at(row: dict[str, Any], key: str) -> Any:
    """The value of a key, or at a path of keys and indices such as `messages.-1.content`; None where there is none.

    A key that is called so comes before a path. A cell of a table may hold JSON.
    """
    if key in row:
        return row[key]
    value: Any = row
    for step in key.split("."):
        if isinstance(value, str):
            value = json_value(value)
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and re.fullmatch(r"-?\d{1,9}", step) and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def json_value(text: str) -> Any:
    """The list or object that a text is in JSON; None for any other text."""
    if not re.match(r"\s*[\[{]", text):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
