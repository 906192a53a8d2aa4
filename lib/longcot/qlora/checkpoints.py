"""The checkpoints of a training that was cut: whose they are, and which of them is whole."""

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, model_name
from longcot.files.run_directory import epoch_of
from longcot.files.writing import whole_folder, write_json

MARK = "of.json"  # says whose checkpoints they are


def last_checkpoint(work: Path, what: dict[str, Any]) -> Path | None:
    """The newest checkpoint in `work` that was written whole, None where there is none.

    Marks the folder as that of `what` (base, training set, settings), and removes what else a kill left in it. Raises
    BadInput where it is another training's.
    """
    mark = work / MARK
    if not _is_json(mark):
        remove(work)
        write_json(mark, what)
        return None
    if json.loads(mark.read_text()) != what:
        raise BadInput(
            f"{display_path(work)}: begun with other parameters or traces; remove it or name another adapter"
        )
    found = list(work.glob("checkpoint-*"))
    last = max(filter(_is_whole, found), key=_step, default=None)
    for folder in found:
        if folder != last:
            shutil.rmtree(folder)
    if last:
        _date(last)
    return last


def finish_checkpoint(folder: Path) -> None:
    """Tidy a checkpoint that was just saved, and see that it is the older one when the next is saved."""
    tidy(folder)
    _date(folder)


def keep_epoch(folder: Path, epochs: Sequence[int]) -> None:
    """Copy a checkpoint's adapter beside it, where it is of one of these epochs and was not copied yet."""
    epoch = round(json.loads((folder / "trainer_state.json").read_text())["epoch"])
    kept = folder.parent / epoch_of(epoch)
    if epoch not in epochs or kept.exists():
        return
    with whole_folder(kept) as draft:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(folder / name, draft / name)


def _step(folder: Path) -> int:
    return int(folder.name.split("-")[1])


def _date(folder: Path) -> None:
    """Make a checkpoint's time its step, in 1970: of two the Trainer deletes the one with the earlier time, and on a
    clock that was set back that would be the one just saved.
    """
    os.utime(folder, (_step(folder),) * 2)


def tidy(folder: Path) -> None:
    """Take out of an adapter's or a checkpoint's folder what nobody reads again, and this machine's paths with it."""
    (folder / "README.md").unlink(missing_ok=True)  # an empty form
    (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle; the Trainer writes it and never reads it
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = model_name(config["base_model_name_or_path"])
    if isinstance(config["target_modules"], list):  # a set's order, which differs from run to run
        config["target_modules"].sort()
    write_json(folder / "adapter_config.json", config)


def remove(work: Path) -> None:
    """Remove the folder, its mark first: what a kill leaves of it is nobody's, and is not gone on from."""
    (work / MARK).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether a checkpoint was written to its end, and nothing in it was cut or lost since.

    The Trainer writes its state last. The other files say themselves whether they are whole: torch's are zip files,
    whose directory is at their end, and safetensors' header says how long they are.
    """
    if not _is_json(folder / "trainer_state.json"):
        return False
    try:
        for weights in [*folder.glob("*.safetensors"), folder / "adapter_model.safetensors"]:
            with safe_open(weights, "np"):
                pass
    except (OSError, SafetensorError):
        return False
    return all(zipfile.is_zipfile(folder / name) for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"))


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True
