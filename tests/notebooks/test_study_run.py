"""A whole study at the smallest size, through the command that `make study` calls."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from html_pages import loads_nothing

from longcot.files.paths import ROOT, resolve

WEIGHTS = "lib/longcot/miniature/weights/world1"
STUDY = {
    "title": "Smallest",
    "problems": {
        "train": {"source": "miniature:train", "limit": 8},
        "benchmark": {"source": "miniature:test", "limit": 8},
    },
    "models": {
        "base": {"path": f"{WEIGHTS}/base"},
        "reasoner": {"path": f"{WEIGHTS}/base", "adapter": f"{WEIGHTS}/reasoner"},
    },
    "prompt": {"template": "{problem}"},
    "sampling": {"max_tokens": 300, "samples": 2, "batch_size": 8},
    "training_traces": [{"model": "reasoner"}, {"model": "base"}],
    "difficulty_model": "base",
    "lora": {"epochs": 2, "learning_rate": 1.0e-3, "compute_dtype": "float32"},
    "main_arm": "base",
    "arms": [
        {"name": "base", "model": "base"},
        {"name": "base-few-shot", "model": "base", "use": "examples", "data": {"teacher": "reasoner", "n": 1}},
        {"name": "reasoner", "model": "reasoner"},
        {"name": "reasoner-4", "model": "base", "data": {"teacher": "reasoner", "n": 4}},
    ],
}


@pytest.fixture
def study(tmp_path):
    """A function that writes a study of a name of its own, whose run directory is removed afterwards."""
    made = []

    def write(name: str, **changes) -> Path:
        name = f"test-{os.getpid()}-{name}"
        made.append(resolve(f"runs/{name}"))
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name} | STUDY | changes))
        return tmp_path / f"{name}.yaml"

    yield write
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def command(study: Path) -> list[str]:
    return [sys.executable, "-m", "longcot", "run", str(study), "--cores", "2"]


def run(study: Path) -> str:
    done = subprocess.run(command(study), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stderr


def files(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for kind in ("traces", "adapters", "tables", "figures", "stamps")
            for file in (folder / kind).rglob("*") if file.is_file()}  # fmt: skip


def test_a_study_runs_once_and_a_killed_one_gives_the_same(study):
    file = study("whole")
    output = run(file)
    folder = resolve(f"runs/{file.stem}")
    table = (folder / "tables/arms.csv").read_text()
    assert [row.split(",")[0] for row in table.split("\n")[1:5]] == [arm["name"] for arm in STUDY["arms"]]
    assert "trace/s" in output and "step/s" in output, "progress shows in the terminal"
    loads_nothing((folder / "report.html").read_text())
    row = json.loads((folder / "training_sets/reasoner-4.jsonl").read_text().split("\n")[0])
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"] and row["correct"]

    trained = next(folder.glob("notebooks/03_finetune_qlora-*.ipynb")).read_text()  # the job that has an arm to train
    assert trained.count("image/png") == 1 and trained.count("before: ") == trained.count("after: ") == 3
    assert all(name in trained for name in ("[<|im_end|>]", "tokens_per_s", "peak_memory_gb", "seconds"))

    assert yaml.safe_load((folder / "study.yaml").read_text())["sampling"]["temperature"] == 0.6, "as resolved"
    before = files(folder)
    run(file)
    assert files(folder) == before, "a second run does nothing"

    traces = folder / "traces/base-few-shot/benchmark.jsonl"
    content = traces.read_bytes()
    traces.unlink()
    run(file)
    assert traces.read_bytes() == content, "a lost file is made again, the same"

    whole = folder.rename(resolve(f"runs/{study('first').stem}"))
    for stage in ("traces/reasoner/benchmark.jsonl", "adapters/reasoner-4.training"):
        shutil.rmtree(folder / "adapters", ignore_errors=True)  # a busy machine may have trained already
        process = subprocess.Popen(command(file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        until = time.monotonic() + 300
        while not (folder / stage).exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert (folder / stage).exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    run(file)
    names = ["tables/arms.csv", *(f"traces/{arm['name']}/benchmark.jsonl" for arm in STUDY["arms"])]
    for name in names:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_study_with_a_mistake_is_one_line_and_status_1(study):
    done = subprocess.run(command(study("bad", mainarm="base")), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "unknown key 'mainarm'; did you mean 'main_arm'?" in done.stderr


def test_a_running_study_is_not_started_twice(study):
    file = study("twice")
    folder = resolve(f"runs/{file.stem}")
    code = "import sys, time; from pathlib import Path; from longcot.run.lock import hold_lock\n"
    code += "hold_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        done = subprocess.run(command(file), capture_output=True, text=True, cwd=ROOT)
        assert (
            done.returncode == 1
            and f"process {holder.pid} on {socket.gethostname()} is running this study" in done.stderr
        )
    finally:
        holder.kill()
        holder.wait()


def test_a_study_with_too_few_traces_ends_with_one_line(study):
    few = {"name": "base-8", "model": "base", "data": {"teacher": "base", "n": 8, "filters": ["correct"]}}
    arms = [{"name": "base", "model": "base"}, few]
    file = study("few", arms=arms, training_traces=[{"model": "base"}])
    done = subprocess.run(command(file), capture_output=True, text=True, cwd=ROOT)
    last = done.stderr.strip().split("\n")[-5:]
    said = [line for line in last if line.startswith("error: ")]
    assert done.returncode != 0 and len(said) == 1, last
    assert said[0].startswith("error: arm base-8: filter correct removed all 8 traces")
    folder = resolve(f"runs/{file.stem}")
    assert (folder / "traces/base/training.jsonl.manifest.json").is_file(), "what was made before is untouched"
    assert not (folder / "training_sets/base-8.jsonl").exists()
    assert "filter correct removed all 8" in (folder / "notebooks/02_analyze_curation.ipynb").read_text()
