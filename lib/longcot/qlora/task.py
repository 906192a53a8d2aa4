"""Training an arm's adapter."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.paths import display_path, model_source
from longcot.files.run_directory import TRAINING
from longcot.files.strict import Strict
from longcot.files.writing import locked
from longcot.models.base import Base
from longcot.problems.prompts import Prompt
from longcot.qlora.settings import LoraSettings, Loss
from longcot.sampling.live import Curves


class TrainTask(Strict):
    """An adapter to be trained on a training set, both in the run directory."""

    name: str
    base: Base
    training_set: str
    adapter: str
    lora: LoraSettings = LoraSettings()
    loss: Loss | None = None  # which tokens of the responses are learnt; none: all
    keep: list[int] = []  # epochs whose adapters are kept, beside the last one's
    prompt: Prompt = Prompt()  # of which only the chat template says how its traces are put
    own: dict[str, Any] = {}  # what of the study's settings this arm replaces, for manifests

    def recipe(self, threads: int) -> dict[str, Any]:
        """What decides the adapter's weights."""
        arm = self.base.recipe() | {key: getattr(self, key) for key in ("name", "training_set", "adapter")}
        spoken = {"chat_template": self.prompt.chat_template} if self.prompt.chat_template else {}
        loss = {"loss": self.loss.said} if self.loss else {}
        kept = {"keep": self.keep} if self.keep else {}
        return {"arm": arm | self.own, "lora": self.lora.recipe(), "threads": threads} | spoken | loss | kept


@functools.lru_cache(maxsize=1)
def base_4bit(base: Base, compute_dtype: str) -> tuple[Any, Any]:
    """(4-bit model, tokenizer) of a base; the last one is kept."""
    from longcot.models.nf4 import load_base_4bit

    which, source = base.at | {"revision": base.revision or "main"}, model_source(base.path)
    return load_base_4bit(source, compute_dtype, **which), _tokenizer(base)


@functools.lru_cache(maxsize=1)  # of a large vocabulary it takes seconds, and each arm of a base asks for it
def _tokenizer(base: Base) -> Any:
    from longcot.models.nf4 import load_tokenizer

    return load_tokenizer(model_source(base.path), **base.at | {"revision": base.revision or "main"})


def train_arm(
    task: TrainTask, run_dir: Path, threads: int = 1, on_step: Callable[[dict[str, float]], None] | None = None
) -> dict[str, Any]:
    """Train an adapter on its 4-bit base; returns what `training.json` beside the adapter holds.

    `on_step` is `train_adapter`'s. Raises BadInput for a precision other than nf4.
    """
    import torch

    from longcot.models.templates import spoken_as, with_template
    from longcot.qlora.training import train_adapter

    if task.base.precision != "nf4":
        raise BadInput(f"arm {task.name}: QLoRA trains on an nf4 base; set its model's precision to nf4")
    torch.set_num_threads(threads)
    out, rows, base = run_dir / task.adapter, run_dir / task.training_set, model_source(task.base.path)
    with locked(out):  # two trainings would write over each other's checkpoints
        files = [Path(base) if Path(base).is_dir() else None, task.prompt.template_file]
        making = Product(out, task.recipe(threads), [rows, *(file for file in files if file)])
        if not making.done:
            model, tokenizer = base_4bit(task.base, task.lora.compute_dtype)
            chosen, spoken = task.prompt.chat_template, spoken_as(tokenizer, task.prompt.chat_template)
            how = {"loss": task.loss, "keep": task.keep}
            with Curves(run_dir, f"{task.name}-training") as curves:
                how |= {"on_step": on_step, "callbacks": curves.callbacks}
                train_adapter(model, with_template(tokenizer, chosen), rows, out, task.lora, **how)
            told = {"chat_template": spoken} if spoken else {}
            making.finish(precision=f"nf4 (double quantization), computed in {task.lora.compute_dtype}", **told)
    return {"arm": task.name, "file": display_path(out)} | json.loads((out / TRAINING).read_text())


def tokenizer_of(task: TrainTask) -> Any:
    """The tokenizer of a task's base, with the chat template in which its traces are put."""
    from longcot.models.templates import with_template

    return with_template(_tokenizer(task.base), task.prompt.chat_template)


def check_arm(task: TrainTask, run_dir: Path) -> dict[str, Any]:
    """`memory.check_training` of an arm by its training set; also returns `arm, traces` and `dropped`, those too long.

    Raises BadInput also for what is wrong with the training set or the base.
    """
    from longcot.models.loading import context_length, load_config
    from longcot.qlora.memory import check_training
    from longcot.qlora.tokens import read_training_set

    source, which = model_source(task.base.path), task.base.at | {"revision": task.base.revision or "main"}
    tokenizer, config = tokenizer_of(task), load_config(source, **which)
    limit = min(filter(None, (task.lora.max_length, context_length(config))))
    try:
        how = task.lora.too_long, task.loss
        rows, dropped = read_training_set(run_dir / task.training_set, tokenizer, limit, *how)
    except BadInput as error:
        raise BadInput(f"arm {task.name}: {error}") from None
    longest = max(len(row["input_ids"]) for row in rows)
    found = check_training(config, task.lora, longest, f"arm {task.name}")
    return {"arm": task.name, "traces": len(rows), "dropped": dropped} | found
