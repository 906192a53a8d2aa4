"""Kill a study's stages at random moments, run them again, and see that nothing is lost: `make faults KILLS=200`.

Nine kills in ten hit the bare stages of `stages.py`, the others a small study through `make study` (`whole_study.py`).
Half of the former come at a moment drawn from the stage's duration, half at one of its file operations. The run that
goes on from one kill is the next one's victim, until one ends by itself: then its files are compared with those of a
run that was never killed.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from comparison import differences, half_files, trace_lines
from stages import PREPARE, STAGES

from longcot.files.paths import ROOT

CHILD = Path(__file__).with_name("stages.py")
IN_A_ROW = 5  # kills, then a run is left to end


@dataclass
class Tally:
    """What came of the kills of one stage."""

    stage: str
    kills: int = 0
    at_files: int = 0
    finished: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def row(self) -> str:
        """Of the table."""
        counts = (self.kills, self.at_files, self.finished, len(self.wrong), round(self.seconds))
        return f"| {self.stage} | {' | '.join(map(str, counts))} |"


def survivors(mark: str, patience: float = 10.0) -> list[str]:
    """The processes with this mark in their environment that are still there after so many seconds."""
    until = time.monotonic() + patience
    while True:
        alive = marked(mark)
        if not alive or time.monotonic() > until:
            return [f"process left: {' '.join(process.info['cmdline'])[:80]}" for process in alive]
        time.sleep(0.2)


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that were started with FAULTS_MARK=mark, whatever became of their parents."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and process.environ().get("FAULTS_MARK") == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@dataclass
class Stage:
    """A stage with its inputs, and how a run of it that nobody killed ended, how long that took, and what it wrote."""

    name: str
    inputs: Path
    whole: Path
    events: int = 0
    duration: float = 0.0
    lines: set[bytes] = field(default_factory=set)

    def run(self, folder: Path, event: int = 0, delay: float = 0.0, after: float | None = None) -> tuple[int, str]:
        """(exit status, last line) of one run, killed at a file operation, or so many seconds after it was ready."""
        mark = f"{folder}-{time.monotonic_ns()}"
        with tempfile.TemporaryFile("w+") as said:
            child = subprocess.Popen(
                ["nice", "-n", "5", sys.executable, str(CHILD), self.name, str(folder), str(event), str(delay)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=ROOT,
                env=environment(mark),
            )
            ready = child.stdout.readline()
            timer = threading.Timer(after, child.kill) if after is not None and ready else None
            if timer:
                timer.start()
            last = child.stdout.read().strip()
            status = child.wait()
            if timer:
                timer.cancel()
            if status > 0:
                said.seek(0)
                last = said.read().strip().splitlines()[-1]
        return status, "; ".join([last, *survivors(mark)]) if status else last

    def victim(self, folder: Path, rng: random.Random) -> tuple[int, str, bool]:
        """(exit status, last line, whether it was aimed at a file operation) of a run with a kill to come."""
        if rng.random() < 0.5:
            event, delay = rng.randint(1, self.events), rng.choice([0.0, rng.uniform(0.0001, 0.003)])
            return *self.run(folder, event, delay), True
        return *self.run(folder, after=rng.uniform(0, self.duration)), False


def environment(mark: str) -> dict[str, str]:
    """Of a child: one thread, no window, and a mark by which it and its own children are found."""
    return os.environ | {"FAULTS_MARK": mark, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "TQDM_DISABLE": "1"}


def prepare(name: str, work: Path) -> Stage:
    """The stage, run once without a kill."""
    stage = Stage(name, work / f"{name}-inputs", work / f"{name}-whole")
    stage.inputs.mkdir()
    PREPARE[name](stage.inputs)
    shutil.copytree(stage.inputs, stage.whole)
    status, last = stage.run(stage.whole)
    if status:
        raise SystemExit(f"{name}: fails without a kill: {last}")
    stage.events, stage.duration = int(last.split()[0]), float(last.split()[1])
    stage.lines = trace_lines(stage.whole)
    return stage


def chain(stage: Stage, kills: int, folder: Path, rng: random.Random, until: float) -> Tally:
    """So many kills of a stage, each run going on from the one before, compared whenever one comes to its end."""
    tally, began, row = Tally(stage.name), time.monotonic(), 0
    while (tally.kills < kills or row) and not (time.monotonic() > until and row == 0):
        if row == 0:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(stage.inputs, folder)
        before = trace_lines(folder)
        leave = row >= IN_A_ROW or tally.kills >= kills or time.monotonic() > until
        status, last, at_file = (*stage.run(folder), False) if leave else stage.victim(folder, rng)
        wrong = [last] if status > 0 else last.split("; ")[1:] if status < 0 else []
        wrong += half_files(folder)
        if stage.name == "sampling":
            after = trace_lines(folder)
            wrong += [f"{len(before - after)} traces lost"] if before - after else []
            wrong += ["a trace that the whole run has not"] if after - stage.lines else []
        if status < 0:
            tally.kills, tally.at_files, row = tally.kills + 1, tally.at_files + at_file, row + 1
        else:
            if status == 0 and row == 0:  # nothing was killed: how long it takes now, on a machine that others use
                stage.duration = float(last.split()[1])
            wrong += differences(stage.whole, folder)
            tally.finished, row = tally.finished + 1, 0
        tally.wrong += [f"{stage.name}: {words}" for words in wrong]
    shutil.rmtree(folder, ignore_errors=True)
    tally.seconds = time.monotonic() - began
    return tally


def shares(kills: int, parts: int) -> list[int]:
    """The kills dealt out to so many parts."""
    return [kills // parts + (part < kills % parts) for part in range(parts)]


def kill_stages(kills: int, names: list[str], seed: int, until: float) -> list[Tally]:
    """The kills of the bare stages, two chains at a time."""
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(2) as two:
        work = Path(work)
        stages = list(two.map(lambda name: prepare(name, work), names))
        for stage in stages:
            print(f"{stage.name}: {stage.duration:.1f} s, {stage.events} file operations", file=sys.stderr)

        def run(number: int) -> Tally:
            stage, half = stages[number // 2], number % 2
            mine = shares(shares(kills, len(stages))[number // 2], 2)[half]
            found = chain(stage, mine, work / f"{stage.name}-{half}", random.Random(f"{seed} {number}"), until)
            print(found.row(), *found.wrong, sep="\n", file=sys.stderr, flush=True)
            return found

        halves = list(two.map(run, range(2 * len(stages))))
    return [_sum(one, other) for one, other in zip(halves[::2], halves[1::2], strict=True)]


def _sum(one: Tally, other: Tally) -> Tally:
    counts = (getattr(one, key) + getattr(other, key) for key in ("kills", "at_files", "finished", "wrong", "seconds"))
    return Tally(one.stage, *counts)


def main(words: list[str]) -> int:
    """The command. Prints the table, and what was wrong; exit status 1 where anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=40.0, help="no kill is begun after these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=[*STAGES, "study"], choices=[*STAGES, "study"])
    given = parser.parse_args(words)
    began, bare = time.monotonic(), [name for name in given.stages if name != "study"]
    in_study = -(-given.kills // 10) if bare and "study" in given.stages else 0 if bare else given.kills
    tallies = []
    if bare:
        share = 0.55 if in_study else 1.0
        tallies += kill_stages(given.kills - in_study, bare, given.seed, began + 60 * given.minutes * share)
    if in_study:
        from whole_study import kill_study

        tallies.append(kill_study(in_study, random.Random(f"{given.seed} study"), began + 60 * given.minutes))
    print("| stage | kills | aimed at a file operation | runs that ended after | differences | seconds |")
    print("|---|---:|---:|---:|---:|---:|")
    print(*(tally.row() for tally in tallies), sep="\n")
    wrong = [words for tally in tallies for words in tally.wrong]
    kills = sum(tally.kills for tally in tallies)
    print(f"\n{kills} kills, {len(wrong)} differences, {(time.monotonic() - began) / 60:.1f} minutes", *wrong, sep="\n")
    return int(bool(wrong) or kills < given.kills)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
