"""Tokens a second of ways to sample in process, on a random stand-in of the miniature's size.

`python tests/benchmarks/sampling.py [--threads 2] [--requests 256] [WAY ...]`; the figures are in README.md beside it.
The last line printed is one JSON object with a list `rows`. A random model never stops on its own: each response ends
at a length drawn for it, by a logits processor, so that batches waste what real ones waste.
"""

import argparse
import json
import multiprocessing
import os
import random
import time

import torch
from transformers import (
    CompileConfig,
    ContinuousBatchingConfig,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    Qwen2Config,
    Qwen2ForCausalLM,
    StaticCache,
)

STOP, LONGEST, LONGEST_PROMPT = 1, 350, 110


def stand_in() -> Qwen2ForCausalLM:
    """3.0M parameters, 4 layers of width 256, 4 heads, 2 of keys and values."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=768,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=STOP,
        bos_token_id=None,
        pad_token_id=0,
    )
    return Qwen2ForCausalLM(config).eval()


def requests(count: int) -> list[tuple[int, int]]:
    """(prompt tokens, response tokens): four samples a problem, of 40 to 110 and about 100 to 350 tokens."""
    draw, made = random.Random(0), []
    for _ in range(count // 4):
        prompt, typical = draw.randint(40, 110), draw.randint(110, 320)
        made += [(prompt, min(LONGEST, int(typical * draw.uniform(0.9, 1.1)))) for _ in range(4)]
    return made


class EndRows(LogitsProcessor):
    """Makes each row of a batch end at its length, and not before."""

    def __init__(self, lengths: list[int]):
        self.lengths, self.step = torch.tensor(lengths), 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.step += 1
        scores[:, STOP] = torch.where(self.lengths <= self.step, 1e4, -1e4)
        return scores


def run_batch(model: Qwen2ForCausalLM, batch: list[tuple[int, int]], cache: str, top_p: float, reserve: int) -> None:
    """One padded generate that ends each row at its length; `reserve` is max_tokens, what a static cache holds.

    `cache` is dynamic, static, or compiled: a static one of a size that is the same for all batches, and each step
    after the prompt compiled by transformers' own means.
    """
    width = max(prompt for prompt, _ in batch)
    ids = torch.randint(5, 700, (len(batch), width))
    mask = torch.tensor([[0] * (width - prompt) + [1] * prompt for prompt, _ in batch])
    config = GenerationConfig(
        do_sample=True, temperature=0.6, top_p=top_p, top_k=0, max_new_tokens=reserve, eos_token_id=STOP, pad_token_id=0
    )
    if cache == "compiled":
        config.compile_config = CompileConfig(fullgraph=False, mode="default")
        config.compile_config._compile_all_devices = True  # transformers compiles on accelerators alone otherwise
    held = LONGEST_PROMPT + reserve if cache == "compiled" else width + reserve
    fixed = {} if cache == "dynamic" else {"past_key_values": StaticCache(model.config, max_cache_len=held)}
    ends = LogitsProcessorList([EndRows([length for _, length in batch])])
    with torch.inference_mode():
        model.generate(ids, attention_mask=mask, generation_config=config, logits_processor=ends, **fixed)


def padded(count: int, size: int, cache: str, order: str = "prompt", top_p: float = 0.95, reserve: int = LONGEST):
    """Tokens and seconds of all requests in padded batches."""
    model, todo = stand_in(), requests(count)
    if order == "shuffled":
        random.Random(1).shuffle(todo)
    else:
        todo.sort(key=lambda one: -one[0 if order == "prompt" else 1])
    if cache == "compiled":  # compiling, 20 s and more, is not counted
        run_batch(model, [(prompt, 3) for prompt, _ in todo[:size]], cache, top_p, reserve)
    run_batch(model, [(40, 5)] * 4, "static" if cache == "compiled" else cache, top_p, 8)
    start = time.perf_counter()
    for first in range(0, count, size):
        run_batch(model, todo[first : first + size], cache, top_p, reserve)
    return sum(length for _, length in todo), time.perf_counter() - start


def continuous(count: int, size: int):
    """transformers' continuous batching; each response as long as the mean, since no hook sees its rows."""
    model, todo = stand_in(), requests(count)
    mean = sum(length for _, length in todo) // count
    prompts = [torch.randint(5, 700, (prompt,)).tolist() for prompt, _ in todo]
    config = GenerationConfig(
        do_sample=True, temperature=0.6, top_p=0.95, top_k=0, max_new_tokens=mean, eos_token_id=-1, pad_token_id=0
    )
    how = ContinuousBatchingConfig(
        page_size=64,
        num_blocks=size * (mean + 110) // 64 + size,
        max_batch_tokens=4 * size,
        max_requests_per_batch=size,
    )
    start = time.perf_counter()
    out = model.generate_batch(prompts, generation_config=config, continuous_batching_config=how)
    return sum(len(one.generated_tokens) for one in out.values()), time.perf_counter() - start


WAYS = {
    f"padded-{cache}-{size}": (padded, size, cache) for cache in ("dynamic", "static") for size in (32, 64, 128, 256)
}
WAYS |= {
    "padded-static-64-shuffled": (padded, 64, "static", "shuffled"),
    "padded-static-64-by-response": (padded, 64, "static", "response"),
    "padded-static-64-top-p-1": (padded, 64, "static", "prompt", 1.0),
    "padded-static-64-reserve-700": (padded, 64, "static", "prompt", 0.95, 700),
    "padded-dynamic-64-reserve-700": (padded, 64, "dynamic", "prompt", 0.95, 700),
    "compiled-32": (padded, 32, "compiled"),
    "compiled-64": (padded, 64, "compiled"),
    "continuous-64": (continuous, 64),
}


def measure(way: str, count: int, threads: int) -> dict:
    """One way's row, measured in a process of its own so that none leaves its memory to the next."""
    torch.set_num_threads(threads)
    call, *rest = WAYS[way]
    before = time.process_time()
    tokens, seconds = call(count, *rest)
    cpu = time.process_time() - before  # on a shared machine steadier than the wall time
    rates = {"tokens_per_s": round(tokens / seconds), "tokens_per_cpu_s": round(tokens / cpu)}
    return {"name": way, "threads": threads, **rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=list(WAYS), metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1, help="so many at once; the rates are added")
    parser.add_argument("--requests", type=int, default=256)
    given = parser.parse_args()
    rows = []
    for way in given.ways:
        with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
            parts = pool.starmap(measure, [(way, given.requests, given.threads)] * given.processes, chunksize=1)
        row = parts[0] | {"processes": given.processes, "tokens_per_s": sum(part["tokens_per_s"] for part in parts)}
        rows.append(row | {"load": round(os.getloadavg()[0], 1)})
        print(rows[-1], flush=True)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
