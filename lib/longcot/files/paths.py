"""Where files are.

JupyterLab runs in notebooks/, Papermill in the caller's directory: paths are resolved from the project's root.
"""

import os
from pathlib import Path

from longcot.files.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
LONGEST = 255  # bytes of a file's name
DATA = "LONGCOT_DATA"  # names the folder of outside data


def resolve(path: str | Path) -> Path:
    """The absolute path of a parameter: `data:x` under the folder LONGCOT_DATA, `~/x` under the user's home, else
    relative to the project root.

    Raises BadInput where `data:` is used and LONGCOT_DATA is not set or is no folder, for `~/` without a home, and for
    what cannot be a path.
    """
    text = str(path)
    if "\0" in text or any(len(os.fsencode(part)) > LONGEST for part in text.split("/")):
        raise BadInput(f"{text[:60]}…: cannot be a path; names have at most {LONGEST} bytes, and none of them is zero")
    if text.startswith("~/"):
        if (own := home()) is None:
            raise BadInput(f"{text}: this user has no home directory; set HOME, or write the whole path")
        return own / text[2:]
    if not text.startswith("data:"):
        return ROOT / text
    folder = data_folder()
    if not folder or not folder.is_dir():
        now = os.environ.get(DATA)
        raise BadInput(f"{text}: set {DATA} to the folder that holds the outside data (now {now!r})")
    return folder / text.removeprefix("data:")


def home() -> Path | None:
    """The user's home; None for a user who has none, as in a container that runs under a bare number."""
    try:
        return Path.home() if os.environ.get("HOME", "/") else None
    except RuntimeError:
        return None


def data_folder() -> Path | None:
    """The folder of outside data, absolute; None where LONGCOT_DATA is not set.

    A relative one is looked for from the working directory, and from the project's root, where notebooks run.
    """
    folder = os.environ.get(DATA)
    if not folder:
        return None
    places = [resolve(folder)] if folder.startswith("~/") else [Path(folder), ROOT / folder]
    return next((place for place in places if place.is_dir()), places[0]).resolve()


def looked_for(path: str | Path) -> str:
    """A path of a study as it stands there, and what it is relative to, for a message that it is not there."""
    text = str(path)
    if text.startswith("data:"):
        return f"{text} (looked for in the folder of {DATA})"
    return text if text.startswith(("/", "~/")) else f"{text} (looked for in the project, wherever the study lies)"


def display_path(path: str | Path) -> str:
    """The path as it may stand in a manifest or a message: relative to the project, or under `data:`, never a home."""
    path = Path(path).resolve()
    for base, prefix in [(ROOT, ""), (data_folder(), "data:")]:
        if base and path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return path.name


def model_source(path: str | Path) -> str:
    """Where a model is loaded from: its directory, relative to the project, or its Hub id as it is."""
    return str(resolve(path)) if resolve(path).is_dir() else str(path)


def model_name(path: str | Path) -> str:
    """A model as it may stand in a file: its path in the project, its folder's name elsewhere, or its Hub id."""
    return display_path(resolve(path)) if resolve(path).is_dir() else str(path)
