"""One model over several GPUs, which a study starts and stops: seconds of the start and of sampling, and tokens.

    VLLM=/path/to/vllm python tests/benchmarks/spread.py --shape qwen2.5-32b --cards 4 --work /tmp/spread

The checkpoint has a shape's sizes and random weights in bf16 (62 GB of Qwen2.5-32B's), the miniature's tokenizer and as
many rows of embeddings as that has tokens. It is made once. Without a GPU `--cards 1` runs on the CPU.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml
from qlora_model import SHAPES
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from longcot.traces.trace import read_traces

ROOT = Path(__file__).parents[2]
MINIATURE = ROOT / "lib/longcot/miniature/weights/world1/base"
SHARD = 4e9  # bytes
ENGINE = re.compile(r"(?:engine \S.*: (?:answers after|\d+ on) .*|engine ended: .*)")


def make_checkpoint(shape: str, folder: Path) -> None:
    """Write random weights shard by shard, so that no more than one is in memory."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ends = dict(pad_token_id=0, bos_token_id=0, eos_token_id=0, max_position_embeddings=32768)
    sizes = SHAPES[shape] | {"vocab_size": len(AutoTokenizer.from_pretrained(MINIATURE)), "tie_word_embeddings": False}
    config = AutoConfig.for_model(**sizes | ends)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    shutil.copytree(MINIATURE, folder, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    torch.manual_seed(0)
    shard, places, number = {}, {}, 0
    weights = model.state_dict()
    for count, (name, like) in enumerate(weights.items(), 1):
        value = torch.empty(like.shape, dtype=torch.bfloat16, device=device)
        value.fill_(1.0) if like.ndim == 1 and name.endswith("norm.weight") else value.normal_(std=0.02)
        shard[name] = value.cpu()
        if sum(one.nbytes for one in shard.values()) > SHARD or count == len(weights):
            file = f"model-{number:05d}.safetensors"
            save_file(shard, folder / file, metadata={"format": "pt"})
            places |= dict.fromkeys(shard, file)
            shard, number = {}, number + 1
    total = sum(like.nbytes for like in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.architectures, config.dtype = [type(model).__name__], torch.bfloat16
    config.save_pretrained(folder)


def study(given: argparse.Namespace, checkpoint: Path) -> dict:
    """One arm, nothing trained."""
    engine = {"tensor_parallel": given.cards} if torch.cuda.is_available() else {}
    return {
        "name": f"spread-{given.shape}-{given.cards}",
        "title": "One model over several GPUs",
        "problems": {"benchmark": {"source": "miniature:test", "limit": given.problems}},
        "models": {"base": {"path": str(checkpoint), "precision": "bfloat16", "engine": {"kind": "vllm"} | engine}},
        "prompt": {"template": "{problem}"},
        "sampling": {"max_tokens": given.tokens, "samples": 4},
        "main_arm": "base",
        "arms": [{"name": "base", "model": "base"}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-32b")
    parser.add_argument("--cards", type=int, default=4)
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128, help="the most of a response")
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoints, kept")
    given = parser.parse_args()
    checkpoint = (given.work / given.shape).resolve()
    if not (checkpoint / "config.json").exists():
        make_checkpoint(given.shape, checkpoint)
    values = study(given, checkpoint)
    file, run = given.work / f"{values['name']}.yaml", ROOT / "runs" / values["name"]
    if run.exists():
        sys.exit(f"{run} is there: move it away, since a study would go on from it")
    file.write_text(yaml.safe_dump(values))
    begun = time.time()
    command = [sys.executable, "-m", "longcot", "run", str(file), "--cores", "4"]
    cards = {"GPUS": ",".join(map(str, range(given.cards)))} if torch.cuda.is_available() else {}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    said = []
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | cards, **how) as process:
        for line in process.stdout:
            said.append(line)
            if found := ENGINE.search(line):
                print(f"{time.time() - begun:6.1f} s  {found[0]}", flush=True)
    if process.returncode:
        sys.exit("".join(said[-30:]))
    tokens = [one.completion_tokens for one in read_traces(run / "traces/base/benchmark.jsonl")]
    print(f"{time.time() - begun:6.1f} s  the report is there; {len(tokens)} responses, {sum(tokens):,} tokens")


if __name__ == "__main__":
    main()
