"""How fast the page of traces is: written, opened, stepped through and searched in headless Chromium.

    python tests/benchmarks/trace_page.py [--characters 30000] [--samples 32]     # 256 problems, two arms
    python tests/benchmarks/trace_page.py --run-dir runs/miniature

Seconds on the clock, and of the processor: Python's own, or those of all of Chromium's processes.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import open_page
from explorer import make_run

from longcot.files.run_directory import EVERY_TRACES, TRACE_PAGE, TRACE_PAGE_DATA
from longcot.report.trace_page.write import write_trace_page

FOUND = "() => document.querySelector('#progress').textContent.includes(' s')"


def busy() -> float:
    """Processor seconds of this process's children so far."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children(recursive=True))


def timed(name: str, act: Callable[[], object], clock: Callable[[], float]) -> None:
    """Print a row: seconds, and those of the processor."""
    start, used = time.perf_counter(), clock()
    act()
    print(f"| {name} | {time.perf_counter() - start:.1f} | {clock() - used:.1f} |", flush=True)


def measure(run_dir: Path) -> None:
    """Print a table of seconds."""
    print("| what | seconds | of the processor |\n|---|---|---|")
    timed("write", lambda: write_trace_page(run_dir), time.process_time)
    timed("write again, nothing changed", lambda: write_trace_page(run_dir), time.process_time)
    with open_page(run_dir / TRACE_PAGE) as opened:
        page = opened.page
        page.set_default_timeout(600_000)
        page.wait_for_selector("body[data-ready]")

        def press(key: str) -> None:
            before = page.evaluate("location.hash")
            page.keyboard.press(key)
            page.wait_for_function("before => location.hash !== before", arg=before)

        def search(words: str) -> None:
            page.evaluate("document.querySelector('#progress').textContent = ''")
            page.fill("#search", words)
            page.wait_for_function(FOUND)

        timed("first view", lambda: (page.reload(), page.wait_for_selector("body[data-ready]")), busy)
        timed("next problem", lambda: press("j"), busy)
        timed("another sample", lambda: press("]"), busy)
        timed("search, found in no trace", lambda: search("no such words anywhere zzz"), busy)
        timed("search, found in many", lambda: search("let me check"), busy)
        heap = page.evaluate("Math.round(performance.memory.usedJSHeapSize / 1e6)")
    sizes = [sum(file.stat().st_size for file in run_dir.glob(name)) for name in (EVERY_TRACES, f"{TRACE_PAGE_DATA}/*")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    print(
        f"\ntraces {sizes[0] / 1e6:,.0f} MB, page {sizes[1] / 1e6:,.0f} MB; memory: {peak} MB to write, heap {heap} MB"
    )


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--run-dir", type=Path)
    words.add_argument("--characters", type=int, default=30_000)
    words.add_argument("--samples", type=int, default=32)
    given = words.parse_args()
    if given.run_dir:
        return measure(given.run_dir)
    with tempfile.TemporaryDirectory() as folder:
        make_run(Path(folder), given.characters, given.samples)
        measure(Path(folder))


if __name__ == "__main__":
    main()
