"""A whole study at the smallest size, through the command that `make study` calls."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from test_report import loads_nothing

from longcot.errors import BadInput
from longcot.files import ROOT, resolve
from longcot.notebooks import run_notebook

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
    first, second = study("whole"), study("killed")
    output = run(first)
    folder, other = (resolve(f"runs/{file.stem}") for file in (first, second))
    table = (folder / "tables/arms.csv").read_text()
    assert [row.split(",")[0] for row in table.split("\n")[1:5]] == [arm["name"] for arm in STUDY["arms"]]
    assert "trace/s" in output and "step/s" in output, "progress shows in the terminal"
    loads_nothing((folder / "report.html").read_text())
    row = json.loads((folder / "training_sets/reasoner-4.jsonl").read_text().split("\n")[0])
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"] and row["correct"]

    before = files(folder)
    run(first)
    assert files(folder) == before, "a second run does nothing"

    for stage in ("traces/reasoner/benchmark.jsonl", "adapters/reasoner-4.training"):
        process = subprocess.Popen(command(second), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        until = time.monotonic() + 120
        while not (other / stage).exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert (other / stage).exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    run(second)
    assert (other / "tables/arms.csv").read_text() == table
    for arm in STUDY["arms"]:
        name = f"traces/{arm['name']}/benchmark.jsonl"
        assert (other / name).read_bytes().replace(second.stem.encode(), b"") == (folder / name).read_bytes().replace(
            first.stem.encode(), b""
        )


def test_a_study_with_a_mistake_is_one_line_and_status_1(study):
    done = subprocess.run(command(study("bad", mainarm="base")), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "unknown key 'mainarm'; did you mean 'main_arm'?" in done.stderr


def test_a_running_study_is_not_started_twice(study):
    file = study("twice")
    folder = resolve(f"runs/{file.stem}")
    code = "import sys, time; from pathlib import Path; from longcot.__main__ import hold_lock\n"
    code += "hold_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        done = subprocess.run(command(file), capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 1 and f"process {holder.pid} is running this study" in done.stderr
    finally:
        holder.kill()
        holder.wait()


def test_too_few_traces_are_named_by_the_notebook(tmp_path):
    traces = [
        {"problem_id": f"p{n}", "sample": 0, "problem": "1+1?", "expected_answer": "2", "model": "m", "text": "t"}
        | {"finish_reason": "stop", "completion_tokens": 3, "answer": "2", "correct": n > 1}
        for n in range(4)
    ]
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces/m.jsonl").write_text("".join(json.dumps(trace) + "\n" for trace in traces))
    arm = {"name": "m-3", "use": "finetune", "traces": "traces/m.jsonl", "training_set": "sets/m-3.jsonl"}
    arm |= {"teacher": "m", "n": 3, "seed": 0, "strategy": "random", "filters": ["correct"]}
    (tmp_path / "p.jsonl").write_text("".join(
        json.dumps({"id": f"p{n}", "problem": "1+1?", "expected_answer": "2"}) + "\n" for n in range(4)
    ))  # fmt: skip
    parameters = {"run_dir": str(tmp_path), "problems": {"source": str(tmp_path / "p.jsonl")}, "arms": [arm]}
    with pytest.raises(BadInput, match="^arm m-3: 3 traces wanted, 2 problems have one left .* executed copy"):
        run_notebook(ROOT / "notebooks/02_analyze_curation.ipynb", tmp_path / "02.ipynb", parameters)
    assert not (tmp_path / "sets/m-3.jsonl").exists() and "3 traces wanted" in (tmp_path / "02.ipynb").read_text()
