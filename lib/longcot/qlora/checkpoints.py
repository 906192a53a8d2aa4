"""The checkpoints of a training that was cut: whose they are, and which of them is whole."""

import json
import shutil
from pathlib import Path
from typing import Any

from longcot.errors import BadInput
from longcot.files import shown, write_json


def last_checkpoint(work: Path, what: dict[str, Any]) -> Path | None:
    """The newest checkpoint in `work` that was written whole, None where there is none.

    Marks the folder as that of `what` (base, training set, settings). Raises BadInput where it is another training's.
    """
    mark = work / "of.json"
    if not mark.is_file():
        shutil.rmtree(work, ignore_errors=True)
        write_json(mark, what)
        return None
    if json.loads(mark.read_text()) != what:
        raise BadInput(f"{shown(work)}: begun with other parameters or traces; remove it or name another adapter")
    whole = [path.parent for path in work.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _is_json(path: Path) -> bool:
    """Whether the file, which the Trainer writes last into a checkpoint, was written to its end."""
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True
