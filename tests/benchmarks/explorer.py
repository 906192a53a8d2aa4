"""How fast the explorer is: the first view and each action, and how long counting behaviours takes.

    python tests/benchmarks/explorer.py [--characters 30000] [--samples 32] [--count]   # 256 problems, two arms
    python tests/benchmarks/explorer.py --run-dir runs/miniature

Seconds are those of the kernel, without the browser; tests/notebooks/test_05.py drives that.
"""

import argparse
import json
import os
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

from longcot.report.explorer.explore import first_view, static_html
from longcot.report.explorer.index import read_index
from longcot.report.explorer.reader import Reader
from longcot.traces.trace import Trace, TraceWriter

WORDS = "Let me check this again. Wait, no, so $x^2 + \\frac{1}{2}$ is 4. Perhaps we can try another way, then add it. "


def real_texts() -> list[str]:
    """The long traces under LONGCOT_DATA, else sentences made up."""
    path = Path(os.environ.get("LONGCOT_DATA", "")) / "traces/skyt1_long_cot_math500_minerva.jsonl"
    if not path.is_file():
        return [WORDS * 60]
    return [text for line in path.open() if (text := json.loads(line)["generation"])]


def make_run(folder: Path, characters: int, samples: int) -> None:
    """Two arms of 256 problems, their traces put together from whole texts to at least so many characters each."""
    rng, texts = random.Random(0), real_texts()
    for arm, share in (("base", 0.2), ("reasoner", 0.7)):
        with TraceWriter(folder / f"traces/{arm}/benchmark.jsonl") as writer:
            for problem in range(256):
                rows = []
                for sample in range(samples):
                    parts = []
                    while sum(map(len, parts)) < characters:
                        parts.append(rng.choice(texts))
                    about = {
                        "problem": f"Problem {problem}? " * 20,
                        "expected_answer": "5",
                        "answer": "5",
                        "model": "m",
                    }
                    given = {"correct": rng.random() < share, "finish_reason": "stop", "text": "\n\n".join(parts)}
                    own = {
                        "problem_id": f"p{problem}",
                        "sample": sample,
                        "completion_tokens": sum(map(len, parts)) // 3,
                    }
                    rows.append(Trace(**about, **given, **own))
                writer.append(rows)


def measure(run_dir: Path, count: bool) -> None:
    """Print a table of seconds and of processor seconds; with `count` also until all behaviours are counted."""

    def timed(name: str, act) -> object:
        start, busy = time.perf_counter(), time.process_time()
        result = act()
        print(f"| {name} | {time.perf_counter() - start:.2f} | {time.process_time() - busy:.2f} |", flush=True)
        return result

    bytes_ = sum(path.stat().st_size for path in run_dir.glob("traces/*/*.jsonl"))
    print("| what | seconds | of the processor |\n|---|---|---|")
    index = timed("read the index", lambda: read_index(run_dir))
    arms, row = first_view(index, [], "")
    reader = timed("first view, after the index", lambda: Reader(index, arms, row))
    timed("first view without widgets", lambda: static_html(index, arms, row))
    for name, act in {
        "next problem": lambda: reader.next.click(),
        "another sample": lambda: _other_sample(reader),
        "verdict": lambda: setattr(reader.verdict, "value", "wrong"),
        "any verdict": lambda: setattr(reader.verdict, "value", ""),
        "length": lambda: setattr(reader.length, "value", (0, reader.length.max / 2)),
        "wrong in one arm": lambda: setattr(reader.wrong_in, "value", arms[0]),
        "right in the other": lambda: setattr(reader.right_in, "value", arms[-1]),
        "go to a trace": lambda: setattr(reader.place, "value", f"{index.table.iloc[-1]['file']}:100"),
        "a behaviour, not counted yet": lambda: setattr(reader.behaviour, "value", "verification"),
        "no behaviour, while it counts": lambda: setattr(reader.behaviour, "value", ""),
        "next problem, while it counts": lambda: reader.next.click(),
        "verdict, while it counts": lambda: setattr(reader.verdict, "value", "wrong"),
    }.items():
        timed(name, act)
    if count:
        reader.behaviour.value = "verification"
        timed("all behaviours counted", reader.counts.wait)
        timed("another behaviour", lambda: setattr(reader.behaviour, "value", "hedging"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"\n{len(index.table):,} traces in {bytes_ / 1e6:,.0f} MB; peak memory {memory:,.0f} MB")


def _other_sample(reader: Reader) -> None:
    menu = reader.columns[0].menu
    menu.value = menu.options[-1][1]


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--run-dir", type=Path)
    words.add_argument("--characters", type=int, default=30_000)
    words.add_argument("--samples", type=int, default=32)
    words.add_argument("--count", action="store_true")
    given = words.parse_args()
    if given.run_dir:
        return measure(given.run_dir, given.count)
    folder = Path(tempfile.mkdtemp())
    try:
        make_run(folder, given.characters, given.samples)
        measure(folder, given.count)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
