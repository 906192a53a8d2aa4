import json
import subprocess
import sys

import pytest
from huggingface_hub import DatasetCard

from longcot.curation.data_sheet import write_data_sheet
from longcot.curation.training_set import training_rows, write_training_set
from longcot.files.errors import BadInput
from longcot.files.manifest import manifest_path
from longcot.files.writing import write_json
from longcot.problems.problem import Problem
from longcot.report.publish.hub_dataset import write_dataset
from longcot.traces.trace import Trace


@pytest.fixture
def training_set(tmp_path):
    """Three rows, one of a person and without a number of tokens, as notebook 02 writes them."""
    problems = {
        name: Problem(id=name, problem=f"What is {name} | 1?", expected_answer="1", subject="a|b") for name in "xyz"
    }
    traces = [
        Trace(problem_id=name, sample=0, problem="?", expected_answer="1", model="m", text=f"It is {name}.",
              completion_tokens=tokens, correct=True)
        for name, tokens in (("x", 5), ("y", 8), ("z", None))
    ]  # fmt: skip
    path = tmp_path / "sets" / "arm-3.jsonl"
    write_training_set(path, training_rows(traces, problems, {"x": 0.25}, None, None))
    return path


def with_manifest(path):
    arm = {"name": "arm-3", "teacher": "teacher-x", "n": 3, "seed": 7, "strategy": "longest", "filters": ["correct"]}
    write_json(
        manifest_path(path),
        {"parameters": {"arm": arm, "prompt": {"template": None}}, "inputs": {"traces/x.jsonl": "0123abcd"},
         "removed": {"correct": 12, "decontaminated": 2}, "git": {"commit": "c0ffee"}},
    )  # fmt: skip


def test_the_folder_loads_and_has_its_card(training_set, tmp_path):
    from datasets import load_dataset

    with_manifest(training_set)
    folder = tmp_path / "hub"
    write_dataset(training_set, folder, license="apache-2.0")
    rows = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache")).to_list()
    assert rows == [json.loads(line) for line in training_set.open()]
    card = DatasetCard.load(folder / "README.md")
    assert (card.data.license, card.data.language, card.data.size_categories) == ("apache-2.0", ["en"], ["n<1K"])
    assert card.data.configs[0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert "| length of a trace, tokens | 5 to 8, median 6.5, known of 2 |" in card.text
    assert "| subjects | a/b (3) |" in card.text
    sheet = (folder / "DATASHEET.md").read_text()
    for fact in ("teacher teacher-x, n 3, seed 7, strategy longest", "correct: 12", "`c0ffee`", "SHA-256 `0123abcd`"):
        assert fact in sheet
    assert "were held against the study's benchmark" in sheet


def test_the_data_sheet_beside_a_set_says_what_is_not_known(training_set):
    sheet = write_data_sheet(training_set)
    assert sheet == training_set.with_name("arm-3.jsonl.datasheet.md")
    text = sheet.read_text()
    assert text.startswith("# Data sheet: arm-3\n") and text.count("for the publisher to fill in") == 3
    assert "were not held against" in text and "None" not in text


def test_a_folder_with_something_in_it_is_left_alone(training_set, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="full: it is there and not empty; name a new folder"):
        write_dataset(training_set, tmp_path / "full")
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    assert not (tmp_path / "full.draft").exists()


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "set.jsonl: no row in it"),
        ('{"problem": "?"}\n', "set.jsonl:1: no messages with role and content"),
        ('{"messages": [{"role": "user", "content": "?"}]}\n', "set.jsonl:1: the last message is not the assistant's"),
    ],
)
def test_a_file_that_is_no_training_set(line, message, tmp_path):
    (tmp_path / "set.jsonl").write_text(line)
    with pytest.raises(BadInput, match=message):
        write_dataset(tmp_path / "set.jsonl", tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_the_command_says_its_error_in_one_line(tmp_path):
    command = [sys.executable, "-m", "longcot", "publish", str(tmp_path / "no.jsonl"), str(tmp_path / "hub")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr.strip()
        == "error: no.jsonl: no such file; relative paths of a study are looked for in the project"
    )
