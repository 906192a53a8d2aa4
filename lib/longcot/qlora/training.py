"""QLoRA: LoRA adapters trained on a 4-bit base.

The training loop is transformers' Trainer, configured; an adapter is in PEFT's own format.
"""

import csv
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from tqdm import tqdm
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from longcot.files.errors import BadInput
from longcot.files.manifest import sha256
from longcot.files.paths import display_path, model_name
from longcot.files.run_directory import LOSS, TRAINING, epoch_of
from longcot.files.writing import whole_folder, write_json, writing
from longcot.models.adapter import without_adapter
from longcot.models.chat import turn_generation_config
from longcot.models.loading import config_stops, context_length
from longcot.models.nf4 import load_base_4bit, save_dequantized
from longcot.qlora.checkpoints import finish_checkpoint, keep_epoch, last_checkpoint, remove, tidy
from longcot.qlora.memory import advice
from longcot.qlora.plain_layers import add_in_one_pass, plain_layers
from longcot.qlora.room import is_out_of_memory
from longcot.qlora.settings import LoraSettings, Loss
from longcot.qlora.target_modules import adapt, check_names
from longcot.qlora.tokens import IGNORED, read_training_set, tokenize
from longcot.qlora.trainer import AdapterTrainer, LoggingTrainer, joined

__all__ = ["LoraSettings", "load_base_4bit", "save_dequantized", "tokenize", "train_adapter"]

LOGGED = ("step", "epoch", "loss", "learning_rate", "grad_norm", "token_accuracy")
SMALL = 2**24  # tokens x layers x width of a padded batch whose activations, about 100 bytes each, can simply be kept


class _Progress(TrainerCallback):
    """A bar with loss, learning rate and the time left, and the caller's `on_step` with each step's figures."""

    def __init__(self, name: str, on_step: Callable[[dict[str, float]], None] | None, keep: Sequence[int]):
        self.name, self.on_step, self.keep = name, on_step, keep

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.name, unit="step")

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        row = state.log_history[-1]
        if "loss" in row:
            self.bar.set_postfix(loss=f"{row['loss']:.3f}", rate=f"{row['learning_rate']:.1e}", refresh=False)
            self.bar.update(row["step"] - self.bar.n)
            if self.on_step:
                self.on_step({key: row[key] for key in LOGGED})

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        finish_checkpoint(folder)
        keep_epoch(folder, self.keep)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.bar.close()


def train_adapter(
    base_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training_set_path: str | Path,
    out_dir: str | Path,
    settings: LoraSettings,
    on_step: Callable[[dict[str, float]], None] | None = None,
    loss: Loss | None = None,
    keep: Sequence[int] = (),
    callbacks: Sequence[TrainerCallback] = (),
) -> dict[str, Any]:
    """Train a fresh LoRA adapter on the conversations of a JSONL file and write it to `out_dir`, whole or not at all.

    The base comes from `load_base_4bit` and is as before afterwards, so one load serves many adapters. A checkpoint
    after each epoch lies in `<out_dir>.training/`: a killed call goes on from there, on a CPU to the same bytes, on a
    GPU to the same final loss within 0.002 (tests/benchmarks/README.md). In `out_dir` lie PEFT's files, a generation
    config that stops on the turn's end, `loss.csv` and `training.json`, which is also returned: `settings, loss` (of
    each step), `steps, traces, dropped` (those too long, by name), `tokens` (of one epoch), `longest` (tokens),
    `seconds, tokens_per_s` (of this call), `peak_memory_gb` (10⁹ bytes, of the GPU, else of the process). `on_step`
    gets a dict of `LOGGED` each step; `callbacks` are more of the Trainer's. `loss` says which tokens are learnt; the
    adapters after the epochs `keep` lie in `<out_dir>/epoch-<n>`. Raises BadInput for an unusable training set, a
    checkpoint of another training, and where the GPU's memory runs out, with what to change.
    """
    out_dir, work = Path(out_dir), Path(out_dir).with_name(Path(out_dir).name + ".training")
    rows, dropped = read_training_set(
        training_set_path,
        tokenizer,
        min(filter(None, (settings.max_length, context_length(base_model.config)))),
        settings.too_long,
        loss,
    )
    longest = max(len(row["input_ids"]) for row in rows)
    checkpoint = last_checkpoint(work, _what(base_model, training_set_path, settings, loss, keep))
    if checkpoint:
        keep_epoch(checkpoint, keep)  # cut between the two
    on_gpu = base_model.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    set_seed(settings.seed)
    check_names(base_model, settings.target_modules)
    small = settings.batch_size * longest * _numbers_of_a_token(base_model) <= SMALL
    plain = small and not on_gpu and settings.compute_dtype == "float32"
    with plain_layers(base_model) if plain else nullcontext():
        model = adapt(base_model, settings, tokenizer)
        model.create_or_update_model_card = lambda *_: None  # an empty form that `tidy` removes: 0.1 s a checkpoint
        if plain:
            add_in_one_pass(model)
        try:
            watching = [_Progress(out_dir.name, on_step, keep), *callbacks]
            trainer = _trainer(model, tokenizer, rows, work, settings, small, watching)
            start = time.perf_counter()
            steps_done = int(checkpoint.name.split("-")[1]) if checkpoint else 0
            with writing(work):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            seconds = time.perf_counter() - start
            log = [row for row in trainer.state.log_history if "loss" in row]
            tokens = sum(len(row["input_ids"]) for row in rows)
            share = 1 - steps_done / trainer.state.max_steps
            host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            peak = torch.cuda.max_memory_allocated() if on_gpu else host
            report = {
                "settings": settings.recipe(),
                **({"learnt": loss.said} if loss else {}),
                "loss": [row["loss"] for row in log],
                "steps": trainer.state.max_steps,
                "traces": len(rows),
                "dropped": dropped,
                "tokens": tokens,
                "longest": longest,
                "seconds": round(seconds, 3),
                "tokens_per_s": round(tokens * settings.epochs * share / seconds, 1),
                "peak_memory_gb": round(peak / 1e9, 3),
            }
            _save(model, tokenizer, out_dir, log, report, [work / epoch_of(epoch) for epoch in keep])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size = torch.cuda.get_device_properties(0).total_memory / 1e9 if on_gpu else 0.0
            words = advice(base_model.config, settings, longest, size)
            raise BadInput(
                f"{out_dir.name}: out of memory; {words}; with the same parameters and nothing else on the GPU, "
                f"training goes on from its last checkpoint in {display_path(work)}"
            ) from None
        finally:
            without_adapter(model)
            base_model.eval()
    remove(work)
    return report


def _trainer(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[dict[str, list[int]]],
    work: Path,
    settings: LoraSettings,
    small: bool,
    callbacks: Sequence[TrainerCallback],
) -> Trainer:
    """The trainer, `settings.batch_size` traces a step.

    A small batch is padded and goes through the model as it is, a large one through an `AdapterTrainer`. Either way a
    step's loss is the mean over the learnt tokens of all its traces.
    """
    on_gpu = model.device.type == "cuda"
    arguments = TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_ratio,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        optim="adamw_torch_fused" if on_gpu else "adamw_torch",
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=settings.compute_dtype == "bfloat16",
        fp16=settings.compute_dtype == "float16",
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        save_strategy="epoch",
        save_total_limit=1,
        logging_strategy="steps",
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
    )
    padded = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    trainer = (LoggingTrainer if small else AdapterTrainer)(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=padded if small else joined,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _numbers_of_a_token(base_model: PreTrainedModel) -> int:
    config = base_model.config.get_text_config()
    return config.num_hidden_layers * config.hidden_size


def _what(
    base_model: PreTrainedModel,
    training_set_path: str | Path,
    settings: LoraSettings,
    loss: Loss | None,
    keep: Sequence[int],
) -> dict[str, Any]:
    more = {"loss": loss.said if loss else None, "keep": list(keep)}
    return {
        "base": model_name(base_model.name_or_path),
        "revision": getattr(base_model.config, "_commit_hash", None),  # of a model from the Hub
        "training_set": sha256(training_set_path),
        "settings": settings.recipe(),
    } | {name: value for name, value in more.items() if value}


def _save(
    model: PeftModel,
    tokenizer: Any,
    out_dir: Path,
    log: list[dict],
    report: dict[str, Any],
    kept: Sequence[Path],
) -> None:
    with whole_folder(out_dir) as draft:
        model.save_pretrained(draft, save_embedding_layers=False)
        tidy(draft)
        stops = config_stops(model.get_base_model().generation_config)
        turn_generation_config(tokenizer, stops).save_pretrained(draft)
        for folder in kept:
            shutil.copytree(folder, draft / folder.name)
            turn_generation_config(tokenizer, stops).save_pretrained(draft / folder.name)
        with open(draft / LOSS, "w", newline="") as out:
            table = csv.DictWriter(out, LOGGED, extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            table.writerows(log)
        write_json(draft / TRAINING, report)
