"""Where files are, and reading and writing them whole.

JupyterLab runs in notebooks/, Papermill in the caller's directory: paths are resolved from the project's root.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from longcot.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

ROOT = Path(__file__).resolve().parents[2]


def resolve(path: str | Path) -> Path:
    """The absolute path of a parameter: `data:x` under the folder LONGCOT_DATA, else relative to the project root.

    Raises BadInput where `data:` is used and LONGCOT_DATA is not set or is no folder.
    """
    text = str(path)
    if not text.startswith("data:"):
        return ROOT / text
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
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadInput(f"{shown(path)}:{number}: not JSON ({error.msg}); mend or remove the line") from None
            if not isinstance(row, dict):
                raise BadInput(f"{shown(path)}:{number}: not a JSON object; each line must be one")
            yield number, row


def write_whole(path: str | Path, data: str | bytes) -> None:
    """Write a file beside the old one, then rename it over: it is there whole or not at all, also after a kill."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    with open(draft, "wb") as out:
        out.write(data.encode() if isinstance(data, str) else data)
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, path)


def write_json(path: str | Path, value: object) -> None:
    """`write_whole` of a value as JSON."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder to fill, renamed to `path` in the end: it is there whole or not at all, also after a kill."""
    path = Path(path)
    draft = path.with_name(path.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    shutil.rmtree(path, ignore_errors=True)
    os.replace(draft, path)


def write_table(path: str | Path, table: "DataFrame") -> None:
    """`write_whole` of a table as CSV, numbers to six digits: the same bytes for the same table."""
    write_whole(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
