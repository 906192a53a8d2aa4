"""Kill a small study that starts vLLM at random moments: nothing of it stays, and the table comes out the same.

    VLLM=/path/to/vllm python tests/by_hand/engine_kills.py --kills 30 --seed 0

A moment is drawn within the engine's start, its sampling or its end, as long as these took in a run that nobody killed.
After each kill no process of the study may be left, by its mark or its session, and no port that one listened on,
within LIMIT_S seconds. The run that goes on is the next one's victim, up to IN_A_ROW times; then it is left to end, and
its table and its traces are compared with those of the run that nobody killed. What was finished at a kill must keep
its bytes. A run whose server or keeper is killed starts another and comes to its end itself. Responses are greedy,
since vLLM on a CPU takes no seeds, and one is decoded at a time, since its products of another number of rows may have
other bits.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
import yaml

from longcot.files.manifest import manifest_path
from longcot.files.paths import ROOT
from longcot.files.run_directory import run_of, table
from longcot.sampling.engines.vllm import program

sys.path.append(str(Path(__file__).parents[1] / "faults"))
from comparison import half_files, trace_lines  # noqa: E402
from kill import environment, marked  # noqa: E402

NAME = "by-hand-engine-kills"
LIMIT_S = 30.0
IN_A_ROW = 4
WEIGHTS = "lib/longcot/miniature/weights/world1"
STUDY = {
    "name": NAME,
    "title": "To be killed, with an engine",
    "problems": {
        "train": {"source": "miniature:train", "limit": 8},
        "benchmark": {"source": "miniature:test", "limit": 8},
    },
    "models": {
        "base": {"path": f"{WEIGHTS}/base", "engine": "vllm"},
        "instruct": {"path": f"{WEIGHTS}/base", "engine": "vllm", "adapter": f"{WEIGHTS}/instruct"},
        "reasoner": {"path": f"{WEIGHTS}/base", "engine": "vllm", "adapter": f"{WEIGHTS}/reasoner"},
    },
    "prompt": {"template": "{problem}"},
    "sampling": {"temperature": 0.0, "max_tokens": 300},
    "training_traces": [{"model": "reasoner"}],
    "lora": {"compute_dtype": "float32"},
    "main_arm": "base",
    "arms": [{"name": name, "model": name} for name in ("base", "instruct", "reasoner")],
}
ONE_AT_A_TIME = "--max-num-seqs 1 --no-enable-prefix-caching"
KEEPER, SERVER = "longcot.sampling.engines.keeper", "vllm serve"
JOB = ("ipykernel_launcher", "-m longcot job", "-m snakemake")
VICTIMS = {"kernel": JOB[:1], "job": JOB[1:2], "study": JOB[2:], "these three": JOB, "and keeper": (*JOB, KEEPER)}
VICTIMS |= {"Ctrl-C": (), "server": (SERVER,), "keeper": (KEEPER,)}
BORNE = ("server", "keeper")
MOMENTS = ("starting", "sampling", "stopping")
TIMES = (*MOMENTS, "ended")  # the engine's end


@dataclass
class Run:
    """One run of the study, known by a mark in the environment of all that it starts, and by their sessions."""

    file: Path
    begun: dict[str, float] = field(default_factory=dict)  # when each of TIMES began
    sessions: set[int] = field(default_factory=set)

    def __post_init__(self):
        self.folder = ROOT / run_of(NAME)
        self.there = trace_lines(self.folder)
        self.mark = f"{self.file}-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "longcot", "run", str(self.file), "--cores", "1"]
        with open(self.file.with_suffix(".log"), "w") as said:
            how = {"stdout": said, "stderr": said, "cwd": ROOT, "env": environment(self.mark)}
            self.process = subprocess.Popen(command, start_new_session=True, **how)

    def running(self) -> list[tuple[str, psutil.Process]]:
        """(command line, process) of all that runs of it."""
        self.process.poll()
        for process in marked(self.mark):
            with suppress(ProcessLookupError):  # it has gone since
                self.sessions.add(os.getsid(process.pid))
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            with suppress(OSError):
                if os.getsid(process.pid) in self.sessions and process.info["status"] != psutil.STATUS_ZOMBIE:
                    found.append((" ".join(process.info["cmdline"] or []), process))
        return found

    @property
    def lasted(self) -> dict[str, float]:
        """How long each of the moments lasted that began and were followed by the next."""
        return {
            name: self.begun[then] - self.begun[name]
            for name, then in pairwise(TIMES)
            if {name, then} <= self.begun.keys()
        }

    def until(self, moment: str = "", delay: float = 0.0) -> bool:
        """Wait for a moment and so many seconds more, at most to its end; False where the run ends before."""
        then = dict(pairwise(TIMES)).get(moment)
        while self.process.poll() is None:
            self._look()
            if moment in self.begun and (time.monotonic() > self.begun[moment] + delay or then in self.begun):
                return True
            time.sleep(0.3)
        return False

    def _look(self) -> None:
        if any(KEEPER in words for words, _ in self.running()):
            self.begun.setdefault("starting", time.monotonic())
            if trace_lines(self.folder) - self.there:
                self.begun.setdefault("sampling", time.monotonic())
            if len(list(self.folder.glob("traces/*/*.manifest.json"))) == 1 + len(STUDY["arms"]):
                self.begun.setdefault("stopping", time.monotonic())
        elif "stopping" in self.begun:
            self.begun.setdefault("ended", time.monotonic())

    def kill(self, victim: str) -> tuple[float, list[str]]:
        """Kill one kind of its processes, or interrupt it as Ctrl-C in its terminal does.

        Returns the seconds until nothing was left of the run, or of the engine where the run bears it, at most twenty
        times LIMIT_S, and what was left after LIMIT_S.
        """
        there, ports, sessions = self.running(), set(), set()
        for words, process in there:
            with suppress(psutil.Error, OSError):
                ports |= {at.laddr.port for at in process.net_connections("inet") if at.status == psutil.CONN_LISTEN}
                sessions |= {os.getsid(process.pid)} if SERVER in words and KEEPER not in words else set()
        if not VICTIMS[victim]:
            os.killpg(self.process.pid, signal.SIGINT)
        for words, process in there:
            if any(part in words for part in VICTIMS[victim]) and (KEEPER not in words or KEEPER in VICTIMS[victim]):
                with suppress(psutil.Error):
                    process.kill()
        began, late = time.monotonic(), []
        while True:
            left = [
                (words, process) for words, process in self.running() if victim not in BORNE or _of(process, sessions)
            ]
            found = [words[:80] for words, _ in left]
            if victim not in BORNE:
                listening = {at.laddr.port for at in psutil.net_connections("inet") if at.status == psutil.CONN_LISTEN}
                found += [f"port {port}" for port in ports & listening]
            took = time.monotonic() - began
            late = late or [f"left after {LIMIT_S:.0f} s: {words}" for words in found if took > LIMIT_S]
            if not found or took > 20 * LIMIT_S:
                return took, late
            time.sleep(0.1)


def _of(process: psutil.Process, sessions: set[int]) -> bool:
    with suppress(OSError):
        return os.getsid(process.pid) in sessions
    return False


def finished(folder: Path) -> dict[Path, bytes]:
    """The files of traces that have a manifest, and their bytes."""
    return {path: path.read_bytes() for path in folder.glob("traces/*/*.jsonl") if manifest_path(path).is_file()}


def main() -> None:
    """Prints a line a kill and the table; exit status 0 where nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and all it starts
    rng, folder, whole = random.Random(given.seed), ROOT / run_of(NAME), ROOT / run_of(f"{NAME}-whole")
    if folder.exists() or whole.exists():
        sys.exit(f"{folder} or {whole} is there from before; remove both")
    with tempfile.TemporaryDirectory() as work:
        file, vllm = Path(work) / "study.yaml", Path(work) / "vllm"
        file.write_text(yaml.safe_dump(STUDY))
        vllm.write_text(f'#!/bin/sh\nexec "{program()}" "$@" {ONE_AT_A_TIME}\n')
        vllm.chmod(0o755)
        os.environ["VLLM"] = str(vllm)
        lasted = undisturbed(file)
        folder.rename(whole)
        rows, wrong = kill_often(file, whole, lasted, given.kills, rng)
    print_table(rows, wrong)
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(whole)
    sys.exit(bool(wrong))


def print_table(rows: list[tuple[str, str, float, int]], wrong: list[str]) -> None:
    """What `kill_often` gives."""
    print("| moment | victim | kills | longest until nothing was left, s | wrong |\n|---|---|---:|---:|---:|")
    for moment, victim in ((moment, victim) for moment in MOMENTS for victim in VICTIMS):
        if took := [seconds for *kind, seconds, _ in rows if kind == [moment, victim]]:
            faults = sum(one[3] for one in rows if one[:2] == (moment, victim))
            print(f"| {moment} | {victim} | {len(took)} | {max(took):.1f} | {faults} |")
    print(f"\n{len(rows)} kills, {len(wrong)} wrong", *wrong, sep="\n")


def undisturbed(file: Path) -> dict[str, float]:
    """How long each moment lasts, in seconds, in a run that nobody kills."""
    run, began = Run(file), time.monotonic()
    run.until()
    if run.process.wait():
        sys.exit(f"fails without a kill:\n{file.with_suffix('.log').read_text()[-2000:]}")
    print(
        f"not killed: {time.monotonic() - began:.0f} s", {name: round(run.lasted[name]) for name in MOMENTS}, flush=True
    )
    return run.lasted


def kill_often(
    file: Path, whole: Path, lasted: dict[str, float], kills: int, rng: random.Random
) -> tuple[list[tuple[str, str, float, int]], list[str]]:
    """(moment, victim, seconds until nothing was left, how much was wrong) of each kill, and all that was wrong."""
    folder = ROOT / run_of(NAME)
    every, kinds = [(moment, victim) for moment in MOMENTS for victim in VICTIMS], []
    while len(kinds) < kills:
        kinds += rng.sample(every, len(every))
    kinds, rows, wrong, in_a_row = kinds[:kills], [], [], 0
    while kinds or in_a_row:
        leave, kept, run = in_a_row >= IN_A_ROW or not kinds, finished(folder), Run(file)
        moment, victim = ("", "") if leave else kinds[0]
        faults, hit = [], run.until(moment, 0.0 if leave else rng.uniform(0, lasted[moment]))
        if hit:
            took, faults = run.kill(victim)
            kinds, in_a_row = kinds[1:], in_a_row + 1
        if not hit or victim in BORNE:
            run.until()
            if status := run.process.wait():
                faults.append(f"ends with {status}: {file.with_suffix('.log').read_text()[-500:]}")
        faults += half_files(folder) + (["traces lost"] if run.there - trace_lines(folder) else [])
        faults += [f"{path.name}: other bytes" for path, old in kept.items() if path.read_bytes() != old]
        if run.process.poll() == 0:
            same = (folder / table("arms")).read_bytes() == (whole / table("arms")).read_bytes()
            faults += [] if same else ["another table"]
            faults += [] if trace_lines(folder) == trace_lines(whole) else ["other traces"]
            print(f"to its end: {'the same table' if same else 'ANOTHER table'}", flush=True)
            if not hit and not run.there:
                lasted |= run.lasted  # as long as it takes now, on a machine that others use
            shutil.rmtree(folder)
            in_a_row = 0
        if hit:
            rows.append((moment, victim, took, len(faults)))
            print(f"{len(rows)}: {moment}, {victim}: {took:.1f} s", flush=True)
        wrong += [f"{len(rows)} {moment} {victim}: {words}" for words in faults]
        print(*faults, sep="\n", end="\n" if faults else "", flush=True)
    return rows, wrong


if __name__ == "__main__":
    main()
