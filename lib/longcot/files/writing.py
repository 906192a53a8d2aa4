"""Where files are, and reading and writing them whole.

JupyterLab runs in notebooks/, Papermill in the caller's directory: paths are resolved from the project's root.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from longcot.files.errors import BadInput
from longcot.files.paths import display_path

if TYPE_CHECKING:
    from pandas import DataFrame

FULL = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Disk quota exceeded"}
# A disk that ran full, in the words of libraries that raise no OSError: safetensors, and torch's writer.
FULL_WORDS = (*FULL.values(), "os error 28", "inline_container")


def full_disk(path: str | Path) -> str:
    """What to say of a full disk on which `path` lies: how much is free, and what to do."""
    folder = next(folder for folder in Path(path).resolve().parents if folder.exists())
    free = shutil.disk_usage(folder).free / 1e6
    return (
        f"the disk of {display_path(folder)} is full, {free:,.1f} MB are free; make room, then run the same "
        "command again: "
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
            why = f"cannot be written ({error.strerror or error}); fix that, then run the same command again"
        raise BadInput(f"{display_path(path)}: {why}") from None
    except Exception as error:
        if isinstance(error, BadInput) or not any(words in str(error) for words in FULL_WORDS):
            raise
        raise BadInput(f"{display_path(path)}: {full_disk(path)}") from None


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
            raise BadInput(
                f"{display_path(path)}: another process is writing this file; wait for it or stop it"
            ) from None
        if is_file_at(file, path):
            return file
        file.close()  # the holder before has renamed or removed it


def open_lock(path: str | Path, wait: bool = True, shared: bool = False) -> BinaryIO | None:
    """A file that no other process holds through this until it is closed; None where one does and is not waited for.

    Shared, others may hold it that share it too. Any user of the machine may hold it after this one.
    """
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0)
    with suppress(PermissionError):  # another user's, who did the same
        os.fchmod(file.fileno(), 0o666)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    return file


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


def check_new(folder: Path) -> None:
    """Raises BadInput where a folder to write is there already and holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{display_path(folder)}: it is there and not empty; name a new folder")


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
