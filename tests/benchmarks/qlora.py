"""Training steps of QLoRA at the paper's scale: tokens/s, peak memory, share of the GPU's matrix peak; TRL beside it.

The weights are random and of the true shape, quantized layer by layer, so that 65 GB in bf16 never exist. A row is a
fresh rank-16 adapter on all linear layers, one trace of random tokens a step, and the median step after one to warm up.

share_of_peak is the operations a training step must do, over its time, over the rate of an 8192³ bf16 product measured
in the same run. Operations: 2 x parameters x tokens for each of forward, recomputation and input gradient (parameters
of the layers' matrix products; the output head without recomputation), plus causal attention, 8 x layers x width x
tokens² (2 for forward, 2 for recomputation, 4 for the gradients' products). Gigabytes are 10⁹ bytes.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")  # for the peer too

import torch
from peft import LoraConfig, get_peft_model
from qlora_model import SHAPES, build, operations
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "lib"))  # nothing of the project need be installed
from longcot.qlora.trainer import AdapterTrainer


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
    """The seconds of each training step, optimizer included."""

    def __init__(self, device: str):
        self.device, self.seconds = device, []

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.clock = Clock(self.device)

    def on_step_end(self, *_: object, **__: object) -> None:
        self.seconds.append(self.clock.seconds())


def arguments(folder: str, steps: int, device: str) -> dict:
    """What both trainers are told."""
    return dict(
        output_dir=folder,
        per_device_train_batch_size=1,
        max_steps=steps,
        learning_rate=2e-4,
        bf16=True,
        use_cpu=device == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
    )


LORA = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def train_ours(model: PreTrainedModel, rows: list[dict], folder: str, steps: int, device: str) -> list[float]:
    clock, adapted = Steps(device), get_peft_model(model, LORA)
    try:
        trainer = AdapterTrainer(
            model=adapted,
            args=TrainingArguments(**arguments(folder, steps, device)),
            train_dataset=rows,
            data_collator=default_data_collator,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    finally:
        adapted.unload()
    return clock.seconds


def train_trl(model: PreTrainedModel, rows: list[dict], folder: str, steps: int, device: str) -> list[float]:
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from trl import SFTConfig, SFTTrainer

    raw = Tokenizer(models.WordLevel({"<|endoftext|>": 0}, unk_token="<|endoftext|>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    clock, trainer = Steps(device), None
    try:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(**arguments(folder, steps, device), max_length=None),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=LORA,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    finally:
        if trainer:
            trainer.model.unload()
        model.__dict__.pop("forward", None)  # TRL's fused head
        model.gradient_checkpointing_disable()
        model.disable_input_require_grads()
    return clock.seconds


WAYS = {"longcot": train_ours, "trl": train_trl}


def measure(name: str, model: PreTrainedModel, length: int, steps: int, device: str, peak: float) -> dict:
    """One row. Where memory is short, its figures are None and `reason` says so."""
    set_seed(0)
    ids = torch.randint(1, model.config.vocab_size, (steps, length)).tolist()
    rows = [{"input_ids": tokens, "labels": tokens} for tokens in ids]
    row = {"name": name, "length": length, "tokens_per_s": None, "peak_memory_gb": None, "share_of_peak": None}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with tempfile.TemporaryDirectory() as folder:
            seconds = WAYS[name](model, rows, folder, steps, device)
        step = statistics.median(seconds[1:] or seconds)
        row["tokens_per_s"] = round(length / step, 1)
        row["share_of_peak"] = round(operations(model, length) / step / peak, 4)
        row["seconds"] = [round(value, 3) for value in seconds]
    except torch.OutOfMemoryError as error:
        row["reason"] = str(error).split(". ")[0]
    except Exception as error:  # one row that fails must not cost the others
        row["reason"] = f"{type(error).__name__}: {error}"[:500]
    if "reason" not in row and device == "cuda":
        row["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        row["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 2)
    elif "reason" not in row:
        row["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return row


def longest(name: str, model: PreTrainedModel, device: str, peak: float, cap: float) -> dict:
    """The row of the longest trace, to 4,096 tokens, that fits into `cap` GB, guessed from two shorter ones."""
    grid, steps = 4096, 2  # the optimizer's state is there from the second step on
    low, high = (measure(name, model, length, steps, device, peak) for length in (2 * grid, 4 * grid))
    slope = (high["peak_memory_gb"] - low["peak_memory_gb"]) / (2 * grid)
    length = high["length"] + int((cap - high["peak_memory_gb"]) / slope) // grid * grid
    best, step = high, 0
    while True:
        row = measure(name, model, length, steps, device, peak)
        print(json.dumps(row), flush=True)
        fits = row["tokens_per_s"] is not None
        best = row if fits else best
        if step and fits != (step > 0):
            return {**best, "longest": True}
        step = grid if fits else -grid
        if not fits and length + step <= best["length"]:
            return {**best, "longest": True}
        length += step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--lengths", default="256", help="tokens of a trace, several with commas")
    parser.add_argument("--peer", choices=["trl", "none"], default="none")
    parser.add_argument("--ours", choices=["yes", "no"], default="yes")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=3, help="of a row, the first to warm up")
    parser.add_argument("--cap-gb", type=float, help="let this process take no more of the GPU's memory")
    parser.add_argument("--longest", action="store_true", help="find the longest trace instead of taking --lengths")
    parser.add_argument("--out", type=Path, help="append each row to this JSONL file as soon as it is measured")
    args = parser.parse_args()
    if args.longest and not args.cap_gb:
        parser.error("--longest needs --cap-gb")
    if args.device == "cuda" and args.cap_gb:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(args.cap_gb * 1e9 / total)
    peak = measure_peak(args.device)
    clock = Clock(args.device)
    model = build(args.shape, args.device)
    about = {
        "shape": args.shape,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "peak_tflops": round(peak / 1e12, 3),
        "cap_gb": args.cap_gb,
        "build_s": round(clock.seconds(), 1),
        "model_gb": round(torch.cuda.memory_allocated() / 1e9, 2) if args.device == "cuda" else None,
        "torch": torch.__version__,
    }
    print(json.dumps(about), flush=True)
    rows = []
    names = ["longcot"] * (args.ours == "yes") + ["trl"] * (args.peer == "trl")
    for name in names:
        for length in [0] if args.longest else map(int, args.lengths.split(",")):
            if args.longest:
                rows.append(longest(name, model, args.device, peak, args.cap_gb))
            else:
                rows.append(measure(name, model, length, args.steps, args.device, peak))
            print(json.dumps(rows[-1]), flush=True)
            if args.out:
                with open(args.out, "a") as out:
                    out.write(json.dumps({**about, **rows[-1]}) + "\n")
    print(json.dumps({**about, "rows": rows}))


if __name__ == "__main__":
    main()
