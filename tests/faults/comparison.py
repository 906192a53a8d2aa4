"""What must hold of a run directory after a kill, and what of one that was finished after kills."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from longcot.files.manifest import manifest_path, sha256
from longcot.traces.trace import iter_traces

# What a manifest and a training's report say of the run itself, and the hash a folder that holds such a report.
OF_THE_RUN = {"seconds", "tokens_per_s", "peak_memory_gb", "peak_memory_mb", "finished_at", "git", "machine"}
LEFT_OVER = (".draft", ".begun.json", ".training", ".error.txt")


def files(run: Path) -> Iterator[Path]:
    """The files of a run directory, but those of locks, of Snakemake and those that are being made."""
    for path in sorted(run.rglob("*")):
        parts = path.relative_to(run).parts
        hidden = any(part.startswith(".snakemake") or part.endswith((".draft", ".training")) for part in parts)
        if path.is_file() and not hidden and not path.name.endswith((".lock", ".begun.json")) and path.name != "lock":
            yield path


def half_files(run: Path) -> list[str]:
    """What is wrong right after a kill: a file taken for whole that is not, a line of traces lost within, or twice."""
    wrong = []
    for path in files(run):
        name = str(path.relative_to(run))
        try:
            if path.name.endswith((".json", ".ipynb")):
                json.loads(path.read_text())
            elif (
                path.suffix == ".jsonl" and path.parts[-2] != "training_sets" and '"text"' in path.read_text()[: 10**6]
            ):
                list(iter_traces(path))
            elif path.suffix == ".jsonl":
                [json.loads(line) for line in path.read_text().splitlines()]
        except ValueError as error:
            wrong.append(f"{name}: {error}")
        begun = path.with_name(path.name + ".begun.json")
        if manifest_path(path).is_file() and not begun.exists():
            if json.loads(manifest_path(path).read_text())["sha256"] != sha256(path):
                wrong.append(f"{name}: not what its manifest says")
    return wrong


def trace_lines(run: Path) -> set[bytes]:
    """All whole lines of all files of traces."""
    lines = (line for path in files(run / "traces") if path.suffix == ".jsonl" for line in open(path, "rb"))
    return {line for line in lines if line.endswith(b"\n")}


def differences(whole: Path, run: Path, kinds: tuple[str, ...] = ()) -> list[str]:
    """In what a finished run directory differs from one that was never killed: files by their bytes, JSON but for what
    it says of the run itself, and what should not lie there. With `kinds` only files whose names end so are compared.
    """
    found = [f"{path.relative_to(run)}: left over" for path in run.rglob("*") if path.name.endswith(LEFT_OVER)]
    found += [f"{path.relative_to(run)}: set aside" for path in run.rglob("superseded")]
    one, other = ({str(path.relative_to(folder)): path for path in files(folder)} for folder in (whole, run))
    for name in sorted(one.keys() | other.keys()):
        if "superseded" in name or (kinds and not name.endswith(kinds)):
            continue
        if name not in one or name not in other:
            found.append(f"{name}: only {'without' if name in one else 'with'} kills")
        elif _content(one[name]) != _content(other[name]):
            found.append(f"{name}: differs")
    return found


def _content(path: Path) -> object:
    if path.name.endswith(".datasheet.md"):  # says when it was made
        return re.sub(r"Made by longcot.*", "", path.read_text())
    if not path.name.endswith((".manifest.json", "training.json")):
        return path.read_bytes()
    made = {key: value for key, value in json.loads(path.read_text()).items() if key not in OF_THE_RUN}
    if path.with_name(path.name.removesuffix(".manifest.json")).is_dir():
        made = {key: value for key, value in made.items() if key not in ("sha256", "size")}
    return made
