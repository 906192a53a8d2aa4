"""What Snakemake, Jupyter and their libraries take for granted of a process: a path, a name, folders to write to."""

import os
import pwd
import stat
import tempfile
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import DATA, data_folder, home

# Where libraries write unless a variable says otherwise: the variable, and their folder below the user's home
_FOLDERS = {
    "XDG_CACHE_HOME": ".cache",
    "JUPYTER_RUNTIME_DIR": ".local/share/jupyter/runtime",
    "MPLCONFIGDIR": ".config/matplotlib",
    "TRITON_CACHE_DIR": ".triton/cache",
}
_MODELS = ("HF_HOME", "HF_HUB_CACHE")  # where downloaded models are, which below XDG_CACHE_HOME would not be found


def prepare() -> None:
    """Set what is missing in the environment of this process, which all that it starts inherit.

    Without a home, or with one that cannot be written to, caches go to a folder of this user's among the temporary
    ones. `LONGCOT_DATA` becomes absolute, since jobs run in other directories. Raises BadInput where no folder for
    temporary files can be written to.
    """
    os.environ.setdefault("PATH", os.defpath)
    os.environ.setdefault("PYTHONUTF8", "1")  # files are in UTF-8 whatever the locale
    if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")) and not _has_name():
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
    if os.environ.get(DATA):
        os.environ[DATA] = str(data_folder())
    own = home()
    for name, below in _FOLDERS.items():
        folder = Path(os.environ.get(name) or (own or Path("/")) / below)
        if _writable(folder) and (os.environ.get(name) or own and own.is_dir()):
            continue
        if name == "XDG_CACHE_HOME" and not any(map(os.environ.get, _MODELS)) and (folder / "huggingface").is_dir():
            os.environ["HF_HOME"] = str(folder / "huggingface")
        os.environ[name] = str(temporary_folder() / below)
    if own is None:
        os.environ["HOME"] = str(temporary_folder())
    # No start-up file or setting that this user has for IPython changes what a notebook does.
    os.environ["IPYTHONDIR"] = str(temporary_folder() / ".ipython")


def temporary_folder() -> Path:
    """A folder of this user's own among the temporary ones, the same each time. Raises BadInput where there is none."""
    try:
        folder = Path(tempfile.gettempdir()) / f"longcot-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not os.access(folder, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="longcot-"))  # somebody else's, or a link to who knows where
        return folder
    except OSError as error:
        raise BadInput(
            f"no folder for temporary files can be written to ({error.strerror}); set TMPDIR to one that can"
        ) from None


def _has_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return False


def _writable(folder: Path) -> bool:
    """Whether a folder can be written to, or made."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
