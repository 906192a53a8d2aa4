"""Every arm of the paper's study, with miniature models put in for the big ones, through a real server.

Here the server is the one of `miniature_server`, at the smallest size. By hand, with vLLM:

    python tests/study/test_paper_study.py run http://localhost:8000/v1 PROBLEMS N

makes the base that is to be served and stops for want of a server; `plan` in place of `run` prints the command that
starts it; `run` again runs the study, with so many problems and at most N traces an arm.
"""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from miniature_server import MiniatureServer

from longcot.files.paths import ROOT, resolve
from longcot.study.reading import load_study
from longcot.traces.trace import read_traces

WORLD = "lib/longcot/miniature/weights/world1"
PAPER = "params/paper.yaml"


def overrides(name: str, url: str, problems: int, n: int) -> list[str]:
    """What is put in place of the paper's models, problems and human traces, and sizes that they can do."""
    paper = load_study(PAPER)
    base = {"path": f"{WORLD}/base", "precision": "nf4", "server": {"urls": [url], "concurrency": 8}}
    values = {
        "name": name,
        "problems": {
            "train": {"source": "miniature:train", "limit": problems},
            "benchmark": {"source": "miniature:test", "limit": problems},
        },
        "prompt.template": "{problem}",
        "models": {
            "base": base,
            "reasoner": base | {"adapter": f"{WORLD}/reasoner"},
            "instruct": base | {"adapter": f"{WORLD}/instruct"},
            "math-72b": base | {"adapter": f"{WORLD}/instruct"},
        },
        "sampling": {"max_tokens": 64, "samples": 1, "seed": 1},
        "training_traces.0.samples": 1,
        "lora": {"epochs": 1, "learning_rate": 1.0e-3, "compute_dtype": "float32"},
        "jobs": {"threads": 1, "arms_per_job": 30},
    }
    for number, one in enumerate(paper.training_traces):
        if one.imported:
            values |= {f"training_traces.{number}.imported.{key}": value for key, value in
                       (("source", "miniature:annotated"), ("revision", None))}  # fmt: skip
    for number, arm in enumerate(paper.arms):
        if arm.data:
            values[f"arms.{number}.data.n"] = min(arm.data.n, n)
            values[f"arms.{number}.data.filters"] = []  # the stand-ins are seldom right and often cut
            if arm.data.stage == "qwq_32b_preview":  # the reasoner's own, which no program wrote
                values[f"arms.{number}.data"] = {"teacher": "reasoner", "n": min(arm.data.n, n), "filters": []}
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def command(what: str, name: str, url: str, problems: int, n: int) -> list[str]:
    """Runs or plans the study with all that is put in place."""
    changes = [word for one in overrides(name, url, problems, n) for word in ("--config", one)]
    return [sys.executable, "-m", "longcot", what, PAPER, "--cores", "2", *changes]


@pytest.fixture
def run_dir():
    name = f"test-{os.getpid()}-paper"
    yield resolve(f"runs/{name}")
    shutil.rmtree(resolve(f"runs/{name}"), ignore_errors=True)


def test_every_arm_of_the_paper(run_dir):
    with MiniatureServer(ROOT / WORLD / "base", ["base"]) as server:
        done = subprocess.run(command("run", run_dir.name, server.url, 4, 4), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    arms = load_study(PAPER).arms
    table = pd.read_csv(run_dir / "tables/arms.csv").set_index("arm")
    assert list(table.index) == [arm.name for arm in arms] and (table.n_samples == 4).all()
    trained = [arm.name for arm in arms if arm.trained]
    asked = {name.split("@")[0]: count for name, count in server.asked.items()}
    assert asked.keys() >= {"base", *trained} and all(asked[name] == 4 for name in trained), "each by its own adapter"
    edited = read_traces(run_dir / "traces/instruct/training.jsonl")
    stages = ["", "explore", "verify", "backtrack", "join"]
    assert [trace.stage for trace in edited] == [stage for stage in stages for _ in range(4)]
    assert {trace.stage: trace.parent for trace in edited}["join"] == "backtrack"
    chosen = (run_dir / "training_sets/human-stage3-50.jsonl").read_text().splitlines()
    assert len(chosen) == 4 and all("The answer is" in json.loads(row)["messages"][-1]["content"] for row in chosen)
    prompt = json.loads((run_dir / "traces/instruct-outline/training.jsonl.manifest.json").read_text())["first_prompt"]
    assert "Conclude:" in prompt and "system" not in prompt


if __name__ == "__main__":
    what, url, *sizes = sys.argv[1:]
    sys.exit(subprocess.run(command(what, "paper-in-miniature", url, *map(int, sizes))).returncode)
