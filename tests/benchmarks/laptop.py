"""A study of two checkouts on two cores, in turn: wall and CPU seconds, how idle each core was, and if bytes agree.

    python tests/benchmarks/laptop.py OLD NEW --study params/miniature.yaml --cores 0,1 --rounds 2 --out /tmp/laptop

Each run starts from nothing in `CHECKOUT/runs/NAME`, which must not be there, and is moved to OUT when it ends. Nothing
else may run on the cores. With two sets, `--cores 0,1 2,3`, both checkouts run at once and change sets each round.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import yaml


def busy(cores: list[int]) -> dict[int, tuple[int, int]]:
    """(ticks at work, all ticks) of each core so far."""
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name[3:].isdigit() and name.startswith("cpu") and int(name[3:]) in cores:
            numbers = [int(one) for one in ticks[:8]]  # user nice system idle iowait irq softirq steal
            found[int(name[3:])] = (sum(numbers) - numbers[3] - numbers[4], sum(numbers))
    return found


class Run:
    """A study that runs in a checkout, on these cores alone."""

    def __init__(self, python: str, checkout: Path, study: str, cores: list[int], out: Path):
        self.name = yaml.safe_load((checkout / study).read_text())["name"]
        self.cores, self.out, self.made = cores, out, checkout / "runs" / self.name
        if self.made.exists():
            sys.exit(f"{self.made} is there: move it away, since a study would go on from it")
        environment = os.environ | {"PYTHONPATH": str(checkout / "lib"), "CUDA_VISIBLE_DEVICES": "", "GPUS": ""}
        command = [python, "-m", "longcot", "run", study, "--cores", str(len(cores))]
        self.log = open(out.with_suffix(".log"), "w")
        self.before, self.start = busy(cores), time.time()
        pin = ["taskset", "-c", ",".join(map(str, cores))]
        how = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen([*pin, *command], cwd=checkout, env=environment, **how)

    def wait(self) -> dict:
        """What it took: `seconds, cpu_seconds`, each core's `idle` share, digests of `arms` and all `traces`."""
        _, status, used = os.wait4(self.process.pid, 0)
        seconds, after = time.time() - self.start, busy(self.cores)
        self.log.close()
        if status:
            sys.exit(f"it failed, see {self.log.name}")
        shutil.move(self.made, self.out)
        idle = [
            1 - (after[core][0] - self.before[core][0]) / (after[core][1] - self.before[core][1]) for core in self.cores
        ]
        arms = self.out / "tables/arms.csv"
        return {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "idle": [round(share, 3) for share in idle],
            "arms": digest([arms]) if arms.is_file() else "",
            "traces": digest(sorted(self.out.glob("traces/*/*.jsonl"))),
        }

    def jobs(self) -> list[tuple[float, float, str]]:
        """(start, end) of each notebook in seconds since the run's start, and its name."""
        found = []
        for copy in sorted((self.out / "notebooks").glob("*.ipynb")):
            times = json.loads(copy.read_text())["metadata"]["papermill"]
            start, end = (datetime.fromisoformat(times[key]).timestamp() for key in ("start_time", "end_time"))
            found.append((start - self.start, end - self.start, copy.stem))
        return sorted(found)


def digest(files: list[Path]) -> str:
    """The start of a SHA-256 of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


def main() -> None:
    """Run, print a line a run as it ends, then the ratio of the two and whether the tables are the shipped one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--study", default="params/miniature.yaml")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--cores", nargs="+", default=["0,1"], help="one set, as 0,1; or two")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="where the runs are moved to")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    ways = {"old": given.old.resolve(), "new": given.new.resolve()}
    sets = [[int(core) for core in one.split(",")] for one in given.cores]
    rows: dict[str, list[dict]] = {way: [] for way in ways}
    for number in range(given.rounds):
        started = {}
        for place, (way, checkout) in enumerate(ways.items()):
            cores = sets[(place + number) % len(sets)]
            started[way] = Run(given.python, checkout, given.study, cores, given.out / f"{way}-{number}")
            if len(sets) == 1:
                rows[way].append(report(way, started.pop(way)))
        for way, run in started.items():
            rows[way].append(report(way, run))
    old, new = (min(row["seconds"] for row in rows[way]) for way in ways)
    print(f"new / old, best of {given.rounds}: {new:.1f} / {old:.1f} = {new / old:.3f}")
    for what in ("arms", "traces"):
        found = {row[what] for one in rows.values() for row in one}
        print(f"{what}: {'the same in all runs' if len(found) == 1 else 'differ'}")
    shipped = ways["new"] / "notebooks/results" / Path(given.study).stem / "tables/arms.csv"
    if shipped.is_file():
        same = {digest([shipped])} == {row["arms"] for row in rows["new"]}
        print(f"arms.csv is {'' if same else 'not '}the shipped one")


def report(way: str, run: Run) -> dict:
    """Wait for a run and print what it took."""
    row = run.wait()
    print(way, json.dumps(row), flush=True)
    for start, end, name in run.jobs():
        print(f"  {start:7.1f} to {end:7.1f} s  {name}", flush=True)
    return row


if __name__ == "__main__":
    main()
