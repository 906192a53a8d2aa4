"""Kill a small study, run by `make study`: everything at once, Snakemake alone, one notebook's process, one kernel."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from comparison import differences, half_files, trace_lines
from kill import IN_A_ROW, Tally, environment, marked, survivors

from longcot.files.paths import ROOT

WEIGHTS = "lib/longcot/miniature/weights/world1"
STUDY = {
    "title": "To be killed",
    "problems": {
        "train": {"source": "miniature:train", "limit": 8},
        "benchmark": {"source": "miniature:test", "limit": 6},
    },
    "models": {
        "base": {"path": f"{WEIGHTS}/base"},
        "reasoner": {"path": f"{WEIGHTS}/base", "adapter": f"{WEIGHTS}/reasoner"},
    },
    "prompt": {"template": "{problem}"},
    "sampling": {"max_tokens": 250, "samples": 2, "batch_size": 4},
    "training_traces": [{"model": "reasoner"}],
    "lora": {"epochs": 3, "batch_size": 2, "learning_rate": 1.0e-3, "compute_dtype": "float32"},
    "main_arm": "base",
    "arms": [
        {"name": "base", "model": "base"},
        {"name": "reasoner", "model": "reasoner"},
        {"name": "reasoner-4", "model": "base", "data": {"teacher": "reasoner", "n": 4}},
    ],
}
# Whose bytes must be those of the run that was not killed. Manifests say when and how fast.
MADE = (".jsonl", "adapter_model.safetensors", "adapter_config.json", ".csv", ".pdf", ".png")
VICTIMS = {"all": "", "snakemake": "-m snakemake", "notebook": "-m longcot job", "kernel": "ipykernel_launcher"}


def start(file: Path, mark: str) -> subprocess.Popen:
    """`make study` as a person types it, on two cores, without a look at whether the packages are up to date."""
    command = ["make", "-o", ".venv/.ready", "study", f"STUDY={file}", "CORES=2"]
    said = open(file.with_suffix(".log"), "w")
    return subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env=environment(mark), start_new_session=True)


def kill(kind: str, process: subprocess.Popen, mark: str, rng: random.Random) -> bool:
    """Kill one kind of the study's processes, as soon as there is one; whether there was one before the study ended."""
    while process.poll() is None:
        found = marked(mark)
        found = [one for one in found if VICTIMS[kind] in " ".join(one.info["cmdline"])]
        if kind in ("notebook", "kernel") and found:
            found = [rng.choice(found)]
        hit = bool(found)
        while found:
            for victim in found:
                with suppress(ProcessLookupError):
                    os.kill(victim.pid, signal.SIGKILL)
            found = marked(mark) if kind == "all" else []  # one may have been starting
        if hit:
            return True
        time.sleep(0.05)
    return False


def one_run(file: Path, rng: random.Random | None, seconds: float) -> tuple[str, int, list[str]]:
    """(what was killed, or "", exit status, what was wrong) of a run, killed at a moment within so many seconds."""
    mark = f"{file}-{time.monotonic_ns()}"
    process, kind = start(file, mark), ""
    if rng:
        kind = rng.choice(list(VICTIMS))
        try:
            process.wait(rng.uniform(0, seconds))
            kind = ""
        except subprocess.TimeoutExpired:
            kind = kind if kill(kind, process, mark, rng) else ""
    status = process.wait()
    if kind == "snakemake":  # the next run starts at once, while the notebooks of this one still find out
        return kind, status, []
    return kind, status, survivors(mark)


def kill_study(kills: int, rng: random.Random, until: float) -> Tally:
    """So many kills of a whole study. Its run directory is removed in the end."""
    tally, began, row, length = Tally("study"), time.monotonic(), 0, 0.0
    with tempfile.TemporaryDirectory() as work:
        file, whole = Path(work) / f"faults-{os.getpid()}.yaml", Path(work) / "whole"
        file.write_text(yaml.safe_dump({"name": file.stem} | STUDY))
        run = ROOT / "runs" / file.stem
        try:
            _, status, wrong = one_run(file, None, 0)
            if status:
                raise SystemExit(f"study: fails without a kill: {_last(file)}")
            length = time.monotonic() - began
            print(f"study: {length:.0f} s", file=sys.stderr)
            run.rename(whole)
            while (tally.kills < kills and time.monotonic() < until) or row:
                before = trace_lines(run)
                leave = row >= IN_A_ROW or tally.kills >= kills or time.monotonic() > until
                start_s = time.monotonic()
                kind, status, wrong = one_run(file, None if leave else rng, length)
                wrong += half_files(run) if kind != "snakemake" else []  # notebooks may still be writing
                wrong += ["traces lost"] if before - trace_lines(run) else []
                if kind:
                    tally.kills, row = tally.kills + 1, row + 1
                    wrong += _last(file) if kind == "kernel" and status and "kernel died" not in _said(file) else []
                else:
                    length = (
                        length if row else time.monotonic() - start_s
                    )  # nothing was killed: as long as it takes now
                    wrong += [f"status {status}: {_last(file)}"] if status else differences(whole, run, MADE)
                    wrong += [] if (run / "report.html").is_file() else ["no report"]
                    tally.finished, row = tally.finished + 1, 0
                    shutil.rmtree(run)
                tally.wrong += [f"study, {kind or 'to its end'}: {words}" for words in wrong]
                print(f"study: {kind or 'ended'}, {tally.kills} kills", *wrong, sep="\n  ", file=sys.stderr, flush=True)
        finally:
            for process in marked_of(file):
                process.kill()
            shutil.rmtree(run, ignore_errors=True)
    tally.seconds = time.monotonic() - began
    return tally


def marked_of(file: Path) -> list[psutil.Process]:
    """What is still running of any run of this study."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FAULTS_MARK", "").startswith(str(file)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _said(file: Path) -> str:
    return file.with_suffix(".log").read_text()


def _last(file: Path) -> list[str]:
    return _said(file).strip().splitlines()[-3:]
