"""Where files are.

JupyterLab runs in notebooks/, Papermill in the caller's directory: paths are resolved from the project's root.
"""

import os
from pathlib import Path

from longcot.files.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]


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
