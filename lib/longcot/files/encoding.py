"""Text files in the one encoding that all of ours have, and which other one a file is in."""

import codecs
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import display_path

_MARKS = (  # byte order marks, the longer before those that they begin with
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def other_encoding(start: bytes) -> str | None:
    """The encoding that the first bytes of a text say it is in, where that is not UTF-8."""
    if marked := next((name for mark, name in _MARKS if start.startswith(mark)), None):
        return marked
    # Without a mark: Latin letters have an empty half. JSON, CSV and YAML begin with one.
    return "UTF-16" if len(start) > 3 and start[:4].count(0) == 2 and 0 in (start[0], start[1]) else None


def not_utf8(where: str, found: str | int) -> BadInput:
    """The error of a file in another encoding, by its name or a byte that does not fit."""
    name, code = (found, found) if isinstance(found, str) else (f"Latin-1 or another (byte 0x{found:02x})", "LATIN1")
    return BadInput(f"{where}: its encoding is {name}, not UTF-8; save it as UTF-8 (iconv -f {code} -t UTF-8)")


def decoded(line: bytes, where: str) -> str:
    """A line, or a whole text, in UTF-8. Raises BadInput with `where`, a file and a line."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(where, line[error.start]) from None


def read_text(path: Path) -> str:
    """A text file without its byte order mark. Raises BadInput for another encoding, and where it cannot be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{display_path(path)}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    if encoding := other_encoding(raw[:4]):
        raise not_utf8(display_path(path), encoding)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(raw.split(b"\n"), 1):
        decoded(line, f"{display_path(path)}:{number}")
    return raw.decode()
