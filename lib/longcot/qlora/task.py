"""Training an arm's adapter."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.manifest import Making
from longcot.files.paths import model_name, model_source, shown
from longcot.files.writing import locked
from longcot.qlora.settings import LoraSettings


@functools.lru_cache(maxsize=1)
def base_4bit(path: str, revision: str, compute_dtype: str, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """(4-bit model, tokenizer) of a directory or of a Hub id at a revision; the last one is kept."""
    from longcot.models.nf4 import load_base_4bit, load_tokenizer

    which = {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    return load_base_4bit(path, compute_dtype, **which), load_tokenizer(path, **which)


def train_arm(
    arm: dict[str, Any],
    lora: dict[str, Any],
    run_dir: Path,
    threads: int = 1,
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train an arm's adapter on its training set, 4-bit base; returns what `training.json` beside the adapter holds.

    `arm` holds `name, path, precision, training_set, adapter`, and may hold `revision` (of a Hub id) and
    `trust_remote_code`. `on_step` is `train_adapter`'s. Raises BadInput for a precision other than nf4.
    """
    import torch

    from longcot.qlora.training import train_adapter

    if arm["precision"] != "nf4":
        raise BadInput(f"arm {arm['name']}: QLoRA trains on an nf4 base; set its model's precision to nf4")
    torch.set_num_threads(threads)
    out, rows, settings = run_dir / arm["adapter"], run_dir / arm["training_set"], LoraSettings(**lora)
    base = model_source(arm["path"])
    recipe = {"arm": arm | {"path": model_name(arm["path"])}, "lora": settings.model_dump(), "threads": threads}
    with locked(out):  # two trainings would write over each other's checkpoints
        making = Making(out, recipe, [rows, *([base] if Path(base).is_dir() else [])])
        if not making.done:
            which = arm.get("revision", ""), settings.compute_dtype, arm.get("trust_remote_code", False)
            model, tokenizer = base_4bit(base, *which)
            train_adapter(model, tokenizer, rows, out, settings, on_step)
            making.finish(precision=f"nf4 (double quantization), computed in {settings.compute_dtype}")
    return {"arm": arm["name"], "file": shown(out)} | json.loads((out / "training.json").read_text())
