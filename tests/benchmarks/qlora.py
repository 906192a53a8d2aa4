"""Training steps of QLoRA at a model's true shape: tokens/s, peak memory, share of the GPU's matrix peak; and peers.

A checkpoint in NF4 with random weights is made once, quantized tensor by tensor: 65 GB in bf16 never exist. Each way to
train it runs in a process of its own (`qlora_ways.py`), so that no patch of one meets another. A row is a fresh
rank-16 adapter on all linear layers and the median step after one to warm up; of a file of traces, four a step, the
epochs after the first.

share_of_peak is the operations that a step must do, over its time, over the rate of an 8192³ bf16 product measured in
the same process: 2 x parameters x tokens for each of forward and input gradient (parameters of the matrix products, the
output head's too), plus causal attention, 6 x layers x width x tokens² (2 for forward, 4 for the gradients' products).
What is computed twice does not count. Gigabytes are 10⁹ bytes.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from qlora_model import SHAPES, build
from transformers import PreTrainedTokenizerFast

HERE = str(Path(__file__).parent)
sys.path.insert(0, str(Path(__file__).parents[2] / "lib"))  # nothing of the project need be installed
PEERS = ("trl", "trl-offload", "trl-keep", "unsloth", "unsloth-keep")
SHORTEST, LONGEST = 500, 8000  # tokens of the traces that are taken of a file


def file_lengths(path: Path, count: int) -> list[int]:
    """Tokens of `count` traces of a JSONL file, evenly by rank among those of `SHORTEST` to `LONGEST`, in its order.

    Its `completion_tokens`, and where it has none a third of the characters of its `generation`.
    """
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    every = [row.get("completion_tokens") or len(row["generation"]) // 3 for row in rows]
    ranked = sorted((length, number) for number, length in enumerate(every) if SHORTEST <= length <= LONGEST)
    taken = [ranked[step * (len(ranked) - 1) // max(count - 1, 1)] for step in range(count)]
    return [length for length, number in sorted(taken, key=lambda one: one[1])]


def make_checkpoint(shape: str, folder: Path, device: str) -> None:
    """The model with a tokenizer of one word, which TRL and Unsloth ask for."""
    from tokenizers import Tokenizer, models

    build(shape, device).save_pretrained(folder)
    raw = Tokenizer(models.WordLevel({"<|endoftext|>": 0}, unk_token="<|endoftext|>"))
    word = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=word, pad_token=word, bos_token=word).save_pretrained(
        folder
    )


def row(words: str, steps: int) -> tuple[list[int], int]:
    """What `--lengths` says of a row: the lengths of its traces, of which it has one, and its steps."""
    length, _, own = words.partition(":")
    return [int(length)], int(own or steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, action="append", default=[], help="may be given several times")
    parser.add_argument("--lengths", default="256", help="tokens of a trace, one a step, or TOKENS:STEPS; with commas")
    parser.add_argument("--file", type=Path, help="instead of these, traces of a JSONL file, four a step")
    parser.add_argument("--tokens", help="instead of a file, the lengths of its traces, with commas")
    parser.add_argument("--traces", type=int, default=20, help="of the file")
    parser.add_argument("--batch", type=int, default=4, help="traces a step, of a file")
    parser.add_argument("--peer", choices=PEERS, action="append", default=[], help="may be given several times")
    parser.add_argument("--padded", action="store_true", help="peers take a step's traces at once, padded")
    parser.add_argument("--ours", choices=["yes", "no"], default="yes")
    parser.add_argument(
        "--keep-gb", type=float, help="let ours keep so much on the GPU, not as much as there is room for"
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=3, help="of a row, the first to warm up; of a file, epochs")
    parser.add_argument("--cap-gb", type=float, help="let a process take no more of the GPU's memory")
    parser.add_argument("--longest", action="store_true", help="find the longest trace instead of taking --lengths")
    parser.add_argument("--checkpoints", type=Path, help="folder of checkpoints: made where missing, and left there")
    parser.add_argument("--out", type=Path, help="append each row to this JSONL file as soon as it is measured")
    args = parser.parse_args()
    if args.longest and not args.cap_gb:
        parser.error("--longest needs --cap-gb")
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = {shape: (args.checkpoints or Path(folder)) / shape for shape in args.shape or ["tiny"]}
        for shape, checkpoint in checkpoints.items():
            if not (checkpoint / "tokenizer.json").exists():
                make_checkpoint(shape, checkpoint, args.device)
                gc.collect()
                torch.cuda.empty_cache()
        given = {
            "checkpoints": {shape: str(checkpoint) for shape, checkpoint in checkpoints.items()},
            "device": args.device,
            "cap_gb": args.cap_gb,
            "keep_gb": args.keep_gb,
            "longest": args.longest,
            "padded": args.padded,
            "rows": [row(length, args.steps) for length in args.lengths.split(",")],
        }
        if args.file or args.tokens:
            lengths = file_lengths(args.file, args.traces) if args.file else list(map(int, args.tokens.split(",")))
            given |= {"rows": [(lengths, args.steps)], "batch": args.batch}
        from longcot.models.device import ALLOCATOR

        rows, environment = [], {"PYTORCH_ALLOC_CONF": ALLOCATOR} | os.environ  # for the peers too
        for name in ["longcot"] * (args.ours == "yes") + args.peer:
            first = "import unsloth; " if name.startswith("unsloth") else ""  # before what it patches
            start = f"{first}import sys; sys.path.insert(0, {HERE!r}); import qlora_ways; qlora_ways.main()"
            command = [sys.executable, "-c", start, json.dumps(given | {"name": name})]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
                for line in process.stdout:
                    if not line.startswith('{"name"'):
                        continue  # what peers print
                    print(line, end="", flush=True)
                    rows.append(json.loads(line))
                    if args.out:
                        with open(args.out, "a") as out:
                            out.write(line)
            if process.returncode:
                print(f"{name} ended with {process.returncode}", file=sys.stderr)
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
