"""How fully `sampling/server.py` keeps servers busy; the figures are in README.md beside it.

`python tests/benchmarks/server.py scripted [--seconds 4] [--urls 1 2] [--arms 12]`: servers that answer each request
after a fixed time, in processes of their own; the ideal rate is concurrency / seconds.
`python tests/benchmarks/server.py real --url URL --name NAME --vllm PATH`: tokens a second of a vLLM server that has
the miniature's base, asked by our client and by `vllm bench serve` in turn, with the same prompts and settings.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from pathlib import Path

from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems
from longcot.sampling.generate import generate_traces
from longcot.sampling.server.sampler import ServerSampler, tokenizer_at_hand
from longcot.sampling.server.slots import Slots
from longcot.sampling.settings import Sampling, Server
from longcot.sampling.side_by_side import side_by_side
from longcot.traces.trace import read_traces

BASE = "lib/longcot/miniature/weights/world1/base"
WORDS = "Let me think about this step by step, then check it. " * 40  # about 2 kB, a short trace


def fixed_latency(seconds: float, ready: multiprocessing.Queue) -> None:
    """A server that reads each request and answers it after `seconds`, whatever else it does."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            arrived = time.monotonic()
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            length = int({key.lower(): value for key, value in fields.items()}.get("content-length", 0))
            body = json.loads(await reader.readexactly(length)) if length else {}
            if head.startswith(b"GET"):
                reply = {"data": [{"id": "m", "max_model_len": 1024}]}
            else:
                count = body.get("n", 1)
                usage = {"prompt_tokens": 50, "completion_tokens": 400 * count}
                choice = {"finish_reason": "stop", "token_ids": [7] * 400} if count > 1 else {"finish_reason": "stop"}
                texts = [f"{body['seed']} {index} {WORDS} \\boxed{{3}}" for index in range(count)]
                reply = {"choices": [choice | {"text": text} for text in texts], "usage": usage}
                await asyncio.sleep(seconds - (time.monotonic() - arrived))
            data = json.dumps(reply).encode()
            start = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            writer.write(start.encode() + data)
            await writer.drain()

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(quietly, "127.0.0.1", 0, backlog=1024)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def scripted(urls: int, seconds: float, concurrency: int, rounds: int, samples: int, arms: int) -> dict[str, float]:
    """Sample for `rounds` times the latency through so many servers; the share of the ideal rate of requests.

    Several arms share the requests, side by side.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    servers = [context.Process(target=fixed_latency, args=(seconds, ready), daemon=True) for _ in range(urls)]
    for server in servers:
        server.start()
    where = Server(urls=[f"http://127.0.0.1:{ready.get()}/v1" for _ in servers], concurrency=concurrency)
    requests = concurrency * rounds
    problems = [Problem(id=str(n), problem=f"What is {n} + 1?", expected_answer="3") for n in range(requests)]
    slots, sampling = Slots(concurrency), Sampling(max_tokens=400, samples=samples)

    def sample(arm: int) -> None:
        sampler, out = ServerSampler(where, "m", BASE, slots=slots), Path(folder) / f"{arm}.jsonl"
        generate_traces(sampler, problems[arm::arms], out, sampling, model="m", progress=False)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer_at_hand(BASE)
        start, cpu = time.perf_counter(), time.process_time()
        side_by_side(sample, range(arms), arms)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    for server in servers:
        server.terminate()
    row = {"urls": urls, "seconds": seconds, "concurrency": concurrency, "requests": requests, "n": samples}
    rate = requests / wall
    return row | {
        "arms": arms,
        "rate": round(rate, 1),
        "of_ideal": round(rate * seconds / concurrency, 4),
        "cpu_s": round(cpu, 1),
    }


def ours(url: str, name: str, base: str, problems: list[Problem], sampling: Sampling, concurrency: int, _: str) -> dict:
    """Tokens a second of our client on a real server, one sample a problem."""
    with tempfile.TemporaryDirectory() as folder:
        sampler = ServerSampler(Server(urls=[url], concurrency=concurrency), name, base)
        start, out = time.perf_counter(), Path(folder) / "t.jsonl"
        generate_traces(sampler, problems, out, sampling, model="m", template="{problem}", progress=False)
        wall = time.perf_counter() - start
        tokens = sum(trace.completion_tokens for trace in read_traces(out))
    return {"tokens": tokens, "seconds": round(wall, 1), "tokens_per_s": round(tokens / wall)}


def theirs(
    url: str, name: str, base: str, problems: list[Problem], sampling: Sampling, concurrency: int, vllm: str
) -> dict:
    """The same of `vllm bench serve`, with the same prompts and settings."""
    sampler = ServerSampler(Server(urls=[url]), name, base)
    with tempfile.TemporaryDirectory() as folder:
        texts = [sampler.prompt_text([{"role": "user", "content": problem.problem}]) for problem in problems]
        rows = [json.dumps({"prompt": text, "output_tokens": sampling.max_tokens}) for text in texts]
        (Path(folder) / "prompts.jsonl").write_text("\n".join(rows))
        command = f"""{vllm} bench serve --backend openai --base-url {url.removesuffix("/v1")} --model {name}
            --tokenizer {base} --dataset-name custom --dataset-path {folder}/prompts.jsonl --skip-chat-template
            --custom-output-len {sampling.max_tokens} --num-prompts {len(problems)} --max-concurrency {concurrency}
            --temperature {sampling.temperature} --top-p {sampling.top_p} --disable-shuffle --disable-tqdm
            --save-result --result-dir {folder} --result-filename result.json"""
        extra = ["--extra-body", json.dumps({"stop_token_ids": sampler._stops.ids})]
        subprocess.run([*command.split(), *extra], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = json.loads((Path(folder) / "result.json").read_text())
    tokens, wall = found["total_output_tokens"], found["duration"]
    return {"tokens": tokens, "seconds": round(wall, 1), "tokens_per_s": round(tokens / wall)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scripted", "real"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--urls", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--arms", type=int, default=1, help="side by side")
    parser.add_argument("--url", default="http://localhost:8000/v1")
    parser.add_argument("--base", default=BASE, help="what is served")
    parser.add_argument("--name", default="base", help="of the model or adapter, as the server lists it")
    parser.add_argument("--problems", type=int, default=512)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--vllm", default="vllm", help="the vllm command")
    given = parser.parse_args()
    rows = []
    if given.what == "scripted":
        for urls in given.urls:
            rows.append(scripted(urls, given.seconds, given.concurrency, given.rounds, given.samples, given.arms))
            print(rows[-1] | {"load": round(os.getloadavg()[0], 1)}, flush=True)
    else:
        how = (load_problems("miniature:train")[: given.problems], Sampling(max_tokens=400, seed=1), given.concurrency)
        for _ in range(given.times):
            for name, call in (("ours", ours), ("vllm bench serve", theirs)):
                found = call(given.url, given.name, given.base, *how, given.vllm)
                rows.append({"client": name} | found)
                print(rows[-1] | {"load": round(os.getloadavg()[0], 1)}, flush=True)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
