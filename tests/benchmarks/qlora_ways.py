"""One way to train a checkpoint, in a process of its own: `qlora.py` starts it and reads a JSON line a row."""

import gc
import json
import resource
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model
from qlora_model import operations
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "lib"))  # nothing of the project need be installed

GIVEN = SimpleNamespace(**{"batch": 1} | json.loads(sys.argv[1]))
UNSLOTH = GIVEN.name.startswith("unsloth")
LORA = {"r": 16, "lora_alpha": 32}


def measure_peak(device: str) -> float:
    """Operations a second of a bf16 product of 8192³ (512³ on a CPU): the best of ten rounds."""
    size, best = (8192 if device == "cuda" else 512), 0.0
    a, b = (torch.randn(size, size, dtype=torch.bfloat16, device=device) for _ in range(2))
    for _ in range(10):
        clock = Clock(device)
        for _ in range(20):
            a @ b
        best = max(best, 20 * 2 * size**3 / clock.seconds())
    return best


class Clock:
    """Seconds since it was made, all the device's work done before and after."""

    def __init__(self, device: str):
        self.wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        self.wait()
        self.start = time.perf_counter()

    def seconds(self) -> float:
        self.wait()
        return time.perf_counter() - self.start


class Steps(TrainerCallback):
    """The seconds from one training step's beginning to the next one's, with all that lies between."""

    def __init__(self, device: str):
        self.device, self.seconds, self.clock = device, [], None

    def on_step_begin(self, *_: object, **__: object) -> None:
        if self.clock:
            self.seconds.append(self.clock.seconds())
        self.clock = Clock(self.device)

    def on_train_end(self, *_: object, **__: object) -> None:
        self.seconds.append(self.clock.seconds())


def arguments(folder: str, epochs: int, batch: int) -> dict:
    """What all trainers are told."""
    together = batch if GIVEN.padded or GIVEN.name == "longcot" else 1
    return dict(
        output_dir=folder,
        per_device_train_batch_size=together,
        gradient_accumulation_steps=batch // together,
        num_train_epochs=epochs,
        learning_rate=2e-4,
        bf16=True,
        use_cpu=GIVEN.device == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=GIVEN.device == "cuda",
    )


def load(checkpoint: str) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.bfloat16, device_map={"": GIVEN.device}, attn_implementation="sdpa"
    )


def keep_less(layers: object, model: PreTrainedModel, lengths: list[int]) -> None:
    """Of the room for what `longcot` keeps, no more than is said."""
    from longcot.qlora import room

    room.take_room(layers, model, lengths)
    layers.drop_weights()  # those that it keeps dequantized too
    layers.card = GIVEN.keep_gb * 1e9 + layers.shape.working(sum(lengths))


def train_longcot(model: PreTrainedModel, rows: list[dict], told: dict, clock: Steps) -> str:
    """Returns in words what was kept of the last pass."""
    from longcot.qlora import trainer as ours

    if GIVEN.keep_gb is not None:
        ours.take_room = keep_less
    adapted = get_peft_model(model, LoraConfig(**LORA, target_modules="all-linear", task_type="CAUSAL_LM"))
    try:
        trainer = ours.AdapterTrainer(
            model=adapted,
            args=TrainingArguments(**told),
            train_dataset=rows,
            data_collator=ours.joined,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if isinstance(trainer.layers, ours.Layers):
            return trainer.layers.plan.words()
        return "checkpointed" if trainer.layers.checkpointed else "all"
    finally:
        adapted.unload()


def train_trl(model: PreTrainedModel, rows: list[dict], told: dict, clock: Steps) -> str:
    """TRL's trainer, on a model that it puts an adapter on, or that Unsloth has put one on."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    if not UNSLOTH:  # pickling a type of pyarrow fails there
        datasets.fingerprint.Hasher.hash = classmethod(lambda _, value: str(id(value)))
    own = LoraConfig(**LORA, target_modules="all-linear", task_type="CAUSAL_LM")
    config = SFTConfig(
        **told,
        max_length=None,
        gradient_checkpointing=not GIVEN.name.endswith("-keep"),
        activation_offloading=GIVEN.name == "trl-offload",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(next(iter(GIVEN.checkpoints.values()))),
        peft_config=None if UNSLOTH else own,
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return ""


def unsloth_model(checkpoint: str, longest: int) -> PreTrainedModel:
    import unsloth

    model, _ = unsloth.FastLanguageModel.from_pretrained(
        checkpoint, max_seq_length=longest, dtype=torch.bfloat16, load_in_4bit=True
    )
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    how = "unsloth" if GIVEN.name == "unsloth" else False
    return unsloth.FastLanguageModel.get_peft_model(
        model, **LORA, target_modules=names, lora_dropout=0, bias="none", use_gradient_checkpointing=how
    )


def measure(model: PreTrainedModel, lengths: list[int], steps: int, peak: float) -> dict:
    """One row. Where memory is short, its figures are None and `reason` says so."""
    set_seed(0)
    several = len(lengths) > 1
    counts = lengths if several else lengths * steps
    ids = [torch.randint(1, model.config.vocab_size, (length,)).tolist() for length in counts]
    rows = [{"input_ids": tokens, "labels": tokens, "attention_mask": [1] * len(tokens)} for tokens in ids]
    row = {"name": GIVEN.name, "length": sum(lengths) if several else lengths[0]}
    row |= {"tokens_per_s": None, "peak_memory_gb": None, "share_of_peak": None}
    clock = Steps(GIVEN.device)
    if GIVEN.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with tempfile.TemporaryDirectory() as folder:
            told = arguments(folder, steps if several else 1, GIVEN.batch)
            train = train_longcot if GIVEN.name == "longcot" else train_trl
            row["kept"] = train(model, rows, told, clock)
        seconds = clock.seconds
        if several:  # of the epochs after the first
            measured = seconds[len(seconds) // steps :]
            row["tokens_per_s"] = round(sum(lengths) * (steps - 1) / sum(measured), 1)
            row["traces"] = lengths
        else:
            step = statistics.median(seconds[1:] or seconds)
            row["tokens_per_s"] = round(lengths[0] / step, 1)
            row["share_of_peak"] = round(operations(model, lengths[0]) / step / peak, 4)
        row["seconds"] = [round(value, 3) for value in seconds]
    except torch.OutOfMemoryError as error:
        row["reason"] = str(error).split(". ")[0]
    except Exception as error:  # one row that fails must not cost the others
        traceback.print_exc()
        row["reason"] = f"{type(error).__name__}: {error}"[:500]
    if "reason" not in row and GIVEN.device == "cuda":
        row["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        row["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 2)
    elif "reason" not in row:
        row["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)
    clean()
    return row


def clean() -> None:
    gc.collect()
    if GIVEN.device == "cuda":
        torch.cuda.empty_cache()


def longest(checkpoint: str, peak: float) -> dict:
    """The row of the longest trace, to 4,096 tokens, that fits into the cap, guessed from two shorter ones."""
    grid, steps = 4096, 2  # the optimizer's state is there from the second step on
    low, high = (measure(load(checkpoint), [length], steps, peak) for length in (2 * grid, 4 * grid))
    slope = (high["peak_memory_gb"] - low["peak_memory_gb"]) / (2 * grid)
    length = high["length"] + int((GIVEN.cap_gb - high["peak_memory_gb"]) / slope) // grid * grid
    best, step = high, 0
    while True:
        row = measure(load(checkpoint), [length], steps, peak)
        fits = row["tokens_per_s"] is not None
        best = row if fits else best
        if step and fits != (step > 0):
            return {**best, "longest": True}
        step = grid if fits else -grid
        if not fits and length + step <= best["length"]:
            return {**best, "longest": True}
        length += step


def main() -> None:
    if GIVEN.device == "cuda" and GIVEN.cap_gb:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(GIVEN.cap_gb * 1e9 / total)
    peak, most = measure_peak(GIVEN.device), max(max(lengths) for lengths, _ in GIVEN.rows)
    for shape, checkpoint in GIVEN.checkpoints.items():
        about = {
            "shape": shape,
            "device_name": torch.cuda.get_device_name() if GIVEN.device == "cuda" else "cpu",
            "peak_tflops": round(peak / 1e12, 3),
            "cap_gb": GIVEN.cap_gb,
            "keep_gb": GIVEN.keep_gb,
            "padded": GIVEN.padded,
            "torch": torch.__version__,
        }
        if GIVEN.longest:
            print(json.dumps(longest(checkpoint, peak) | about), flush=True)
            continue
        for lengths, steps in GIVEN.rows:
            model = unsloth_model(checkpoint, most) if UNSLOTH else load(checkpoint)
            print(json.dumps(measure(model, lengths, steps, peak) | about), flush=True)
            del model
            clean()
