"""What made a file: parameters, versions, hashes, machine, time, memory.

A manifest is written last, so its presence says that the file is complete. `Product` decides, from what lies on disk,
whether a file is done, to be resumed, or of other parameters and to be set aside.
"""

import functools
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, display_path
from longcot.files.run_directory import SUPERSEDED
from longcot.files.writing import open_locked, write_json, writing

# Bytes of a file that is hashed once while it stays as it is, and seconds since its last change for that to be seen:
# two changes within a tick of the file system's clock have one time.
LARGE, SETTLED_S = 1 << 20, 3.0
PACKAGES = ("bitsandbytes", "math-verify", "papermill", "peft", "torch", "transformers")


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, or of a directory's files by name (in hex)."""
    path = Path(path)
    if path.is_dir():
        names = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.endswith(".manifest.json"))
        with ThreadPoolExecutor() as threads:  # the shards of a 32B model are 65 GB, half a minute for one core
            digests = list(threads.map(sha256, names))
        listing = "".join(
            f"{file.relative_to(path).as_posix()} {one}\n" for file, one in zip(names, digests, strict=True)
        )
        return hashlib.sha256(listing.encode()).hexdigest()
    now = os.stat(path)
    if now.st_size < LARGE or time.time() - now.st_mtime < SETTLED_S:
        return _file_sha256.__wrapped__(path)
    return _file_sha256(path, now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


@functools.lru_cache(maxsize=4096)  # each arm of a job names its base, 65 GB of a 32B model
def _file_sha256(path: Path, *_: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_path(path: str | Path) -> Path:
    """Where the manifest of a file or directory lies: beside it."""
    return Path(path).with_name(Path(path).name + ".manifest.json")


def begun_path(path: Path) -> Path:
    """What says, beside a file, of which recipe it was begun."""
    return path.with_name(path.name + ".begun.json")


def seconds_before(path: Path) -> float:
    """How long an unfinished file was made, in seconds: to its last change, pauses before it was resumed left out."""
    begun = begun_path(path)
    if not path.is_file() or not begun.exists():
        return 0.0
    earlier = (_read(begun) or {}).get("seconds") or 0.0
    return earlier + max(0.0, path.stat().st_mtime - begun.stat().st_mtime)


def _recipe(parameters: dict[str, Any], inputs: Iterable[str | Path]) -> dict[str, Any]:
    """What decides a file's content: the parameters and the inputs' hashes, as JSON would give them back."""
    hashes = {display_path(path): sha256(path) for path in inputs}
    return json.loads(json.dumps({"parameters": parameters, "inputs": hashes}))


class Product:
    """The making of one file (or directory) from `parameters` and `inputs`: begun, resumed, or found done.

    `done` says that the file is there, whole, and of just these parameters and inputs. Otherwise work goes on where
    an unfinished file of the same recipe was left; a file of another recipe is set aside under `superseded/`, never
    deleted. `finish` writes the manifest.
    """

    def __init__(self, path: str | Path, parameters: dict[str, Any], inputs: Iterable[str | Path] = ()):
        self.path, self.start = Path(path), time.monotonic()
        inputs = list(inputs)
        for file in inputs:
            if not Path(file).exists():
                raise BadInput(
                    f"{display_path(file)}: missing, though {display_path(self.path)} is made from it; run its "
                    "notebook first"
                )
        self.recipe = _recipe(parameters, inputs)
        written = _read(manifest_path(self.path)) or {}
        self.done = self._made(written) and self.path.exists() and sha256(self.path) == written.get("sha256")
        begun = begun_path(self.path)
        if self.done:
            if begun.exists():  # a kill came between the manifest and this; left, it would vouch for a changed file
                begun.unlink()
            return
        if self.path.exists() and not self._made(_read(begun) or {}):
            self._set_aside()
        before = seconds_before(self.path)
        self.start -= before
        with writing(self.path):
            manifest_path(self.path).unlink(missing_ok=True)
        write_json(begun, self.recipe | {"seconds": before})

    def _made(self, record: dict[str, Any]) -> bool:
        """Whether a manifest, or what was written when a file was begun, is of this recipe."""
        return {key: record.get(key) for key in self.recipe} == self.recipe

    def _set_aside(self) -> None:
        """Move the file of another recipe (or one changed by hand) out of the way, and its records with it."""
        with writing(self.path), open_locked(self.path) if self.path.is_file() else nullcontext():
            folder = self.path.parent / SUPERSEDED / time.strftime("%Y%m%dT%H%M%S")
            while folder.exists():
                folder = folder.with_name(folder.name + "+")
            folder.mkdir(parents=True)
            for file in (manifest_path(self.path), begun_path(self.path), self.path):  # killed in between: once more
                if file.exists():
                    os.replace(file, folder / file.name)

    def finish(self, **figures: Any) -> None:
        """Write the manifest: the file is complete. `figures` are more things worth keeping (counts, first prompt).

        Raises BadInput where the file is gone.
        """
        if not self.path.exists():
            raise BadInput(f"{display_path(self.path)}: was removed while it was made; run the same command again")
        write_json(
            manifest_path(self.path),
            {
                "file": display_path(self.path),
                "sha256": sha256(self.path),
                "size": _size(self.path),
                **self.recipe,
                **figures,
                "packages": _packages(),
                "python": platform.python_version(),
                "git": git_state(),
                "machine": machine(),
                "seconds": round(time.monotonic() - self.start, 1),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6,
                "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )
        begun_path(self.path).unlink(missing_ok=True)


@contextmanager
def changing(path: str | Path, **figures: Any) -> Iterator[dict[str, Any]]:
    """A whole file becomes another whole one; its manifest, where it has one, says so: the hash now, and `figures`.

    They are given, to be added to where some are known only then.
    Killed in between, the file counts as begun by its own recipe, so that the next run keeps it.
    """
    written, path = _read(manifest_path(path)), Path(path)
    if written:
        write_json(begun_path(path), {key: written.get(key) for key in ("parameters", "inputs", "seconds")})
    yield figures
    if written:
        changed = {"sha256": sha256(path), "size": _size(path), "git": git_state(), "packages": _packages()}
        write_json(manifest_path(path), written | changed | figures)
        begun_path(path).unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a directory."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _packages() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where there is none, or a damaged one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def git_state() -> dict[str, Any]:
    """The project's commit and whether the tree was changed; empty outside a git checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ("git", "-C", str(ROOT), *words), capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def machine() -> dict[str, Any]:
    """Processor, cores, memory (10⁹ bytes) and GPU, without the machine's name."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
    }
    if "torch" in sys.modules:  # looked at only where torch is loaded already: its import takes seconds
        torch = sys.modules["torch"]
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


Status = Literal["done", "begun", "missing"]


def status(path: str | Path) -> Status:
    """Whether a file is complete by its manifest, begun (or cut since), or not there. Its hash is not taken."""
    if not Path(path).exists():
        return "missing"
    written = _read(manifest_path(path))
    return "done" if written and written.get("size") in (None, _size(Path(path))) else "begun"


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The manifest beside a training set; empty where there is none, as of a set that another tool made.

    Raises BadInput where it is damaged.
    """
    file = manifest_path(path)
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise BadInput(f"{display_path(file)}: not JSON ({error}); make its file again") from None
