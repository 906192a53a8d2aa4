"""How fully `sampling/server.py` keeps servers busy; the figures are in README.md beside it.

`python tests/benchmarks/server.py scripted [--seconds 4] [--urls 1 2]`: servers that answer each request after a fixed
time, in processes of their own; the ideal rate is concurrency / seconds.
`python tests/benchmarks/server.py real URL MODEL PATH`: against `vllm bench serve`, see there.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

from longcot.problems import Problem
from longcot.sampling import generate_traces
from longcot.sampling.server import ServerSampler
from longcot.settings import Sampling, Server

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


def scripted(urls: int, seconds: float, concurrency: int, rounds: int, samples: int) -> dict[str, float]:
    """Sample for `rounds` times the latency through so many servers; the share of the ideal rate of requests."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    servers = [context.Process(target=fixed_latency, args=(seconds, ready), daemon=True) for _ in range(urls)]
    for server in servers:
        server.start()
    where = Server(urls=[f"http://127.0.0.1:{ready.get()}/v1" for _ in servers], concurrency=concurrency)
    requests = concurrency * rounds
    problems = [Problem(id=str(n), problem=f"What is {n} + 1?", expected_answer="3") for n in range(requests)]
    with tempfile.TemporaryDirectory() as folder:
        sampler = ServerSampler(where, "m", BASE)
        start, cpu = time.perf_counter(), time.process_time()
        sampling = Sampling(max_tokens=400, samples=samples)
        generate_traces(sampler, problems, Path(folder) / "t.jsonl", sampling, model="m", progress=False)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    for server in servers:
        server.terminate()
    row = {"urls": urls, "seconds": seconds, "concurrency": concurrency, "requests": requests, "n": samples}
    rate = requests / wall
    return row | {"rate": round(rate, 1), "of_ideal": round(rate * seconds / concurrency, 4), "cpu_s": round(cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scripted", "real"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--urls", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1)
    given = parser.parse_args()
    rows = []
    for urls in given.urls:
        rows.append(scripted(urls, given.seconds, given.concurrency, given.rounds, given.samples))
        print(rows[-1] | {"load": round(os.getloadavg()[0], 1)}, flush=True)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
