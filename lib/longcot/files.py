"""Where files are, and reading and writing them whole.

JupyterLab runs in notebooks/, Papermill in the caller's directory: paths are resolved from the project's root.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from longcot.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

ROOT = Path(__file__).resolve().parents[2]
FULL = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Disk quota exceeded"}
# A disk that ran full, in the words of libraries that raise no OSError: safetensors, and torch's writer.
FULL_WORDS = (*FULL.values(), "os error 28", "inline_container")


def resolve(path: str | Path) -> Path:
    """The absolute path of a parameter: `data:x` under the folder LONGCOT_DATA, `~/x` under the user's home, else
    relative to the project root.

    Raises BadInput where `data:` is used and LONGCOT_DATA is not set or is no folder.
    """
    text = str(path)
    if not text.startswith("data:"):
        return ROOT / Path(text).expanduser() if text.startswith("~/") else ROOT / text
    folder = os.environ.get("LONGCOT_DATA")
    if not folder or not Path(folder).is_dir():
        raise BadInput(f"{text}: set LONGCOT_DATA to the folder that holds the outside data (now {folder!r})")
    return Path(folder).resolve() / text.removeprefix("data:")


def shown(path: str | Path) -> str:
    """The path as it may stand in a manifest or a message: relative to the project, or under `data:`, never a home."""
    path = Path(path).resolve()
    folder = os.environ.get("LONGCOT_DATA")
    for base, prefix in [(ROOT, ""), (Path(folder).resolve() if folder else None, "data:")]:
        if base and path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return path.name


def model_source(path: str | Path) -> str:
    """Where a model is loaded from: its directory, relative to the project, or its Hub id as it is."""
    return str(resolve(path)) if resolve(path).is_dir() else str(path)


def model_name(path: str | Path) -> str:
    """A model as it may stand in a file: its path in the project, its folder's name elsewhere, or its Hub id."""
    return shown(resolve(path)) if resolve(path).is_dir() else str(path)


def json_rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) of each line of a JSONL file. Raises BadInput at the first line that is no JSON object."""
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{shown(path)}: no such file; check the path in the study")
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(), parse_constant=_no_number)
                if b"\\ud" in line.lower():  # JSON may hold half a surrogate pair, which no file takes
                    whole = json.dumps(row, ensure_ascii=False).encode("utf-16", "surrogatepass")
                    row = json.loads(whole.decode("utf-16", "replace"))
            except (ValueError, RecursionError) as error:  # not JSON, cut within a letter, too long or too deep
                reason = "not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "msg", str(error))
                raise BadInput(f"{shown(path)}:{number}: not JSON ({reason}); mend or remove the line") from None
            if not isinstance(row, dict):
                raise BadInput(f"{shown(path)}:{number}: not a JSON object; each line must be one")
            yield number, row


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def full_disk(path: str | Path) -> str:
    """What to say of a full disk on which `path` lies: how much is free, and what to do."""
    folder = next(folder for folder in Path(path).resolve().parents if folder.exists())
    free = shutil.disk_usage(folder).free / 1e6
    return (
        f"the disk of {shown(folder)} is full, {free:,.1f} MB are free; make room, then run the same command again: "
        "it goes on from what is written"
    )


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Where a file cannot be written, why, and what to do, in one line. Raises BadInput."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # no error of the system: libraries raise OSError for other things too
            raise
        if error.errno in FULL:
            why = full_disk(path)
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            why = f"cannot be written ({error.strerror}); make its folder writable, or give another run directory"
        elif error.errno == errno.EFBIG:
            why = "larger than files may be here; raise the limit (ulimit -f), then run the same command again"
        elif error.errno == errno.ENOENT:
            why = "was removed while it was made; run the same command again"
        else:
            why = f"cannot be written ({error.strerror or error}); mend that, then run the same command again"
        raise BadInput(f"{shown(path)}: {why}") from None
    except Exception as error:
        if isinstance(error, BadInput) or not any(words in str(error) for words in FULL_WORDS):
            raise
        raise BadInput(f"{shown(path)}: {full_disk(path)}") from None


def open_locked(path: str | Path, wait: bool = False) -> BinaryIO:
    """A file to append to, unbuffered, that no other process holds through this until it is closed.

    Raises BadInput where another one does, unless told to wait for it.
    """
    while True:
        file = open(path, "ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            raise BadInput(f"{shown(path)}: another process is writing this file; wait for it or stop it") from None
        if is_file_at(file, path):
            return file
        file.close()  # the holder before has renamed or removed it


def is_file_at(file: BinaryIO, path: str | Path) -> bool:
    """Whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock beside `path`, waiting for another process that makes the same."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open_locked(path.with_name(path.name + ".lock"), wait=True)
    with lock:
        yield


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file, which may take a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def write_whole(path: str | Path, data: str | bytes) -> None:
    """Write a file beside the old one, then rename it over: it is there whole or not at all, also after a kill."""
    path = Path(path)
    draft = path.with_name(path.name + ".draft")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_locked(draft, wait=True) as out:
            try:
                out.truncate(0)
                write_all(out, data.encode() if isinstance(data, str) else data)
                os.fsync(out.fileno())
            except OSError:
                draft.unlink(missing_ok=True)  # a full disk has no room for half a file
                raise
            os.replace(draft, path)


def write_json(path: str | Path, value: object) -> None:
    """`write_whole` of a value as JSON."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder to fill, renamed to `path` in the end: it is there whole or not at all, also after a kill."""
    path = Path(path)
    draft = path.with_name(path.name + ".draft")
    with writing(path):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        yield draft
        shutil.rmtree(path, ignore_errors=True)
        os.replace(draft, path)


def write_table(path: str | Path, table: "DataFrame") -> None:
    """`write_whole` of a table as CSV, numbers to six digits: the same bytes for the same table."""
    write_whole(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
