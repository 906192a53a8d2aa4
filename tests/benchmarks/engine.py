"""Sampling through an engine that a job starts, beside `vllm.LLM.generate` on the same requests in one process.

    VLLM=/path/to/vllm python tests/benchmarks/engine.py MODEL PROBLEMS.jsonl --concurrency 256 1024 --python PYTHON

PYTHON runs vLLM (`.venv-vllm/bin/python`). Starts are not counted on either side: an engine is warm when it answers,
and `LLM` has made its graphs when it is there. Both first answer eight requests that are not counted.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from longcot.models.base import Base
from longcot.problems.sources import load_problems
from longcot.sampling.engines.engines import Engines
from longcot.sampling.server import sampler
from longcot.sampling.settings import Engine, SampleTask, Sampling
from longcot.sampling.task import sample_arm
from longcot.traces.trace import read_traces

PEER = """
import json, sys, time
from vllm import LLM, SamplingParams
given = json.load(open(sys.argv[1]))
llm = LLM(given["model"], dtype="bfloat16", max_model_len=given["context"], generation_config="vllm")
prompts = [{"prompt_token_ids": ids} for ids in given["ids"]]
for seeds in (given["seeds"], [None] * len(prompts)):
    ways = [SamplingParams(**given["how"], n=4, seed=seed) for seed in seeds]
    llm.generate(prompts[:8], ways[:8], use_tqdm=False)
    start = time.perf_counter()
    done = llm.generate(prompts, ways, use_tqdm=False)
    seconds = time.perf_counter() - start
    tokens = sum(len(one.token_ids) for request in done for one in request.outputs)
    print("PEER", json.dumps({"seeds": seeds[0] is not None, "tokens": tokens, "seconds": seconds}), flush=True)
"""


def ours(given: argparse.Namespace, concurrency: int, folder: Path) -> tuple[dict, list[list[int]]]:
    """(tokens and seconds of sampling through an engine, the token ids of each problem's prompt)."""
    problems = load_problems(given.problems, limit=given.limit)
    engine = Engine(concurrency=concurrency)
    sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=given.tokens, samples=given.samples, seed=1)
    how = {"base": Base(path=given.model, precision="bfloat16"), "engine": engine, "served_as": "base"}
    how |= {"sampling": sampling, "context": given.context}
    warm = SampleTask(name="warm", traces="warm.jsonl", **how)
    task = SampleTask(name="base", traces="base.jsonl", **how)
    with Engines([warm, task], folder, "benchmark") as engines:
        sample_arm(warm, problems[:2], folder, 1, engines)
        start = time.perf_counter()
        file = sample_arm(task, problems, folder, 1, engines)
        seconds = time.perf_counter() - start
    traces = read_traces(file)
    return {"tokens": sum(one.completion_tokens for one in traces), "seconds": seconds}, _prompt_ids(task, problems)


def _prompt_ids(task: SampleTask, problems: list) -> list[list[int]]:
    from longcot.models.chat import render
    from longcot.models.loading import load_pretrained_tokenizer
    from longcot.problems.prompts import build_messages

    tokenizer = load_pretrained_tokenizer(task.base.path)
    wording = task.prompt.wording | {"examples": []}
    texts = [
        render(tokenizer, build_messages("zero_shot", one, **wording), add_generation_prompt=True) for one in problems
    ]
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def peer(given: argparse.Namespace, prompts: list[list[int]], folder: Path) -> list[dict]:
    """Tokens and seconds of `LLM.generate` on the same prompts, with a seed for each request and without."""
    ids = [one for one in prompts for _ in range(given.samples // 4)]
    how = {"temperature": 0.6, "top_p": 0.95, "max_tokens": given.tokens}
    what = {"model": given.model, "context": given.context, "ids": ids, "seeds": list(range(len(ids))), "how": how}
    (folder / "requests.json").write_text(json.dumps(what))
    (folder / "peer.py").write_text(PEER)
    words = [*shlex.split(given.python), str(folder / "peer.py"), str(folder / "requests.json")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    lines = [line for line in done.stdout.splitlines() if line.startswith("PEER ")]
    if not lines:
        sys.exit(done.stderr[-3000:])
    return [json.loads(line.removeprefix("PEER ")) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("problems")
    parser.add_argument("--python", default=".venv-vllm/bin/python")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[Engine().concurrency])
    parser.add_argument("--limit", type=int, default=256)
    parser.add_argument("--samples", type=int, default=8, help="of a problem, a multiple of 4")
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--context", type=int, default=8192)
    given = parser.parse_args()
    seeded = sampler.Dialect
    with tempfile.TemporaryDirectory() as work:
        for concurrency in given.concurrency:
            for seeds in (True, False):
                sampler.Dialect = seeded if seeds else partial(seeded, without=frozenset({"seed"}))
                folder = Path(work) / f"{concurrency}-{seeds}"
                folder.mkdir()
                found, prompts = ours(given, concurrency, folder)
                say(f"engine, {concurrency} requests at once", found | {"seeds": seeds})
        for found in peer(given, prompts, Path(work)):
            say("LLM.generate", found)


def say(what: str, found: dict) -> None:
    """One line of figures."""
    rate, seeds = found["tokens"] / found["seconds"], "a seed a request" if found["seeds"] else "no seeds"
    print(f"{what}, {seeds}: {found['tokens']:,} tokens in {found['seconds']:.1f} s, {rate:,.0f}/s", flush=True)


if __name__ == "__main__":
    main()
