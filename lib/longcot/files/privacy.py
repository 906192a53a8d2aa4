"""What no file of a run directory may say: where on this machine it was made, by whom, and with which keys."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from longcot.files.paths import DATA, ROOT, data_folder, home
from longcot.files.writing import write_whole

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS(WORD|WD)?|CREDENTIAL", re.IGNORECASE)  # in a variable's name
_SHAPED = re.compile(r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,})")
_LOGIN = re.compile(r"(?<=://)[^/\s\"'@\\]+@")  # user:password@ of an address
_WHO = re.compile(r"^\s*(?:host|user): .*\n", re.IGNORECASE | re.MULTILINE)
_SHORTEST = 8  # characters of a secret; a shorter value (TOKENIZERS_PARALLELISM=false) would stand in any text


def home_shortened(path: str) -> str:
    """A path below the user's home from ~, every other text as it is."""
    own = str(home() or "~")
    return "~" + path.removeprefix(own) if path == own or path.startswith(own + "/") else path


def scrubbed(text: str) -> str:
    """The text without keys, passwords and the paths of this machine; all else as it is.

    A key is the value of an environment variable that is called one, or what has the shape of one. The project's paths
    become relative, the outside data's `data:`, the home `~`, and a user's name is taken out of other paths.
    """
    for name, value in _secrets():
        for form in _forms(value):
            text = text.replace(form, f"[{name}]")
    text = _LOGIN.sub("", _SHAPED.sub("[key]", text))
    for folder, instead in _folders():
        # What a path can go on with does not follow, and the letters of a picture in a notebook do not stand before.
        text = re.sub(
            rf"(?<![A-Za-z0-9+]){re.escape(folder)}(?P<end>/|(?![\w.-]))", lambda m, i=instead: _put(i, m), text
        )
    for name in _users():
        # Of an absolute path, from its beginning: a picture in a notebook has letters between slashes too.
        text = re.sub(rf"(?<![\w+/.:])((?:/[\w.@+-]+)*/){re.escape(name)}(?=/|[\s\"'])", r"\1user", text)
    return text


def scrub_logs(folder: Path) -> None:
    """Scrub the logs in Snakemake's own folder, and take out the lines that say which user ran it on which host."""
    for log in folder.glob("*log*/**/*.log"):
        given = log.read_text(encoding="utf-8", errors="replace")
        said = scrubbed(_WHO.sub("", given))
        if said != given:
            write_whole(log, said)


def _put(instead: str, found: re.Match[str]) -> str:
    """What stands for a folder: nothing before the rest of a path in the project, `.` for the project itself."""
    if instead == "":
        return "" if found["end"] else "."
    return instead + ("" if instead == "data:" else found["end"])


def _secrets() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST and not Path(value).exists():
            yield name, value


def _folders() -> list[tuple[str, str]]:
    """Folders and what stands for each, a folder before those that hold it."""
    given = [(str(ROOT), ""), (str(home() or ""), "~"), (tempfile.gettempdir(), "/tmp"), (sys.prefix, "python")]
    given += [(str(data_folder() or ""), "data:"), (os.environ.get(DATA, ""), "data:")]
    given = [(one, instead) for one, instead in given if one]
    both = {folder: instead for one, instead in given for folder in (one, os.path.realpath(one)) if len(folder) > 1}
    every = {form: instead for folder, instead in both.items() for form in _forms(folder)}
    return sorted(every.items(), key=lambda pair: -len(pair[0]))


def _forms(text: str) -> set[str]:
    """A text as it may stand in a file: as it is, in JSON, in an error's words, in those within a notebook's JSON."""
    shown = {text, repr(text)[1:-1]}
    return shown | {json.dumps(one, ensure_ascii=plain)[1:-1] for one in shown for plain in (True, False)}


def _users() -> set[str]:
    """The user's names that can stand in a path, but those that say nothing or are words of it."""
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")} | {(home() or Path()).name}
    return names - {"", "root", "user", "home", "tmp", "lib"}
