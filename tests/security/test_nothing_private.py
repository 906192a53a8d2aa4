"""A study run by somebody with a name, a home and keys: no file of its run directory says so."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from scripted_server import ScriptedServer, error

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, resolve
from longcot.problems.sources import load_problems
from longcot.study.reading import load_study

USER = "adalovelace"
KEYS = {"LAB_ACCESS": "planted-lab-key-0001", "HF_TOKEN": "hf_" + "planted" * 4, "OPENAI_API_KEY": "sk-planted0002"}
WEIGHTS = ROOT / "lib/longcot/miniature/weights/world1/base"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home with a model and a file of traces in it."""
    home = tmp_path / "home" / USER
    shutil.copytree(WEIGHTS, home / "models/base")
    rows = [
        {"id": one.id, "q": one.problem, "a": one.expected_answer, "t": f"So \\boxed{{{one.expected_answer}}}"}
        for one in load_problems("miniature:train", limit=4)
    ]
    (home / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("HOME", str(home))
    return home


def write_study(folder: Path, home: Path, url: str) -> Path:
    server = {"urls": [url], "key": "LAB_ACCESS", "concurrency": 2, "retries": 0}
    keys = {"problem_id": "id", "problem": "q", "expected_answer": "a", "text": "t"}
    values = {
        "name": f"test-{os.getpid()}-private",
        "title": "Private",
        "problems": {"benchmark": {"source": "miniature:test", "limit": 4}},
        "models": {"base": {"path": str(home / "models/base"), "server": server}},
        "sampling": {"max_tokens": 40, "samples": 2},
        "training_traces": [{"name": "mine", "imported": {"source": str(home / "traces.jsonl"), "keys": keys}}],
        "lora": {"epochs": 1, "compute_dtype": "float32"},
        "main_arm": "base",
        "arms": [
            {"name": "base", "model": "base"},
            {"name": "tuned", "model": "base", "data": {"teacher": "mine", "n": 2, "filters": ["correct"]}},
        ],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    return folder / "study.yaml"


def run(study: Path, home: Path) -> subprocess.CompletedProcess:
    names = {"HOME": str(home), "USER": USER, "LOGNAME": USER, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "longcot", "run", str(study), "--cores", "1"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | names | KEYS)


def says(folder: Path) -> list[str]:
    """Where a file of the folder, or its name, says something private."""
    python = [] if sys.base_prefix == "/usr" else [sys.base_prefix]  # a system's own says nothing of anyone
    private = [USER, str(ROOT), *python, *KEYS.values()]
    found = []
    for file in folder.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        at = [word for word in private if word.encode() in content or word in file.name]
        found += [f"{file.relative_to(folder)}: {word}" for word in at]
    return found


def test_no_file_of_a_run_says_who_made_it_where(tmp_path, home):
    study = None

    def refuse(number: int, body: dict):
        return error(401, f"no such key: {server.keys[-1]}") if refusing else None

    server, refusing = ScriptedServer(refuse, models=("base",)), True
    folder = resolve(f"runs/test-{os.getpid()}-private")
    try:
        study = write_study(tmp_path, home, server.url)
        failed = run(study, home)
        assert failed.returncode != 0 and "refuses the key" in failed.stderr, failed.stderr
        assert list(folder.glob("notebooks/*.error.txt")) and not says(folder)
        refusing = False
        done = run(study, home)
        assert done.returncode == 0, done.stderr
        assert f"Bearer {KEYS['LAB_ACCESS']}" in server.keys, "the key was used"
        assert (folder / "report.html").is_file() and list(folder.rglob(".snakemake/log/*.log"))
        assert not says(folder)
        again = load_study(folder / "study.yaml")
        assert resolve(again.models["base"].path) == home / "models/base", "and yet it says all that is needed"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_training_that_was_cut_says_nothing(tmp_path, home):
    from longcot.models.nf4 import load_base_4bit, load_tokenizer
    from longcot.qlora.settings import LoraSettings
    from longcot.qlora.training import train_adapter

    rows = [{"messages": [{"role": "user", "content": "1 + 1"}, {"role": "assistant", "content": "2"}]}] * 2
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path, steps = home / "models/base", []

    def stop_at_second(row: dict) -> None:
        steps.append(row)
        if len(steps) == 2:
            raise KeyboardInterrupt

    settings = LoraSettings(epochs=2, compute_dtype="float32", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        base, tokenizer = load_base_4bit(path, "float32"), load_tokenizer(path)
        train_adapter(base, tokenizer, tmp_path / "set.jsonl", home / "run/adapter", settings, stop_at_second)
    left = list((home / "run/adapter.training").rglob("*"))
    assert any(file.name == "optimizer.pt" for file in left)
    assert not says(home / "run")


def test_a_password_in_a_url_is_refused(tmp_path, home):
    study = write_study(tmp_path, home, "http://ada:secret@localhost:8000/v1")
    with pytest.raises(BadInput, match=r"urls\.0: a URL with a user or password, which would stand in files") as raised:
        load_study(study)
    assert "secret" not in str(raised.value)
