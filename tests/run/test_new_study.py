"""`longcot init`, on the miniature and on files as people have them."""

import json

import pytest
import yaml

from longcot.__main__ import main
from longcot.files.paths import ROOT
from longcot.run import new_study, training_fit
from longcot.study.reading import load_study

BASE = "lib/longcot/miniature/weights/world1/base"


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(new_study, "cards", list)


@pytest.fixture
def given(tmp_path):
    """16 problems as JSON and 30 traces as chats, two of three right, the first one of a problem of the benchmark."""
    problems = [{"question": f"What is {i} + {i}?", "answer": 2 * i} for i in range(16)]
    (tmp_path / "problems.json").write_text(json.dumps(problems))
    rows = []
    for i in range(15, 45):
        says = [
            ("user", f"What is {i} + {i}?"),
            ("assistant", f"Twice {i} is \\boxed{{{2 * i + (i % 3 == 0) * (i > 15)}}}."),
        ]
        rows.append({"messages": [{"role": role, "content": text} for role, text in says], "answer": str(2 * i)})
    (tmp_path / "my chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_own_yaml_is_what_it_writes_for_the_miniature(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--model", BASE, "--problems", "miniature:test", "--traces", "miniature:annotated"]
    assert main(["init", "own.yaml", *words]) == 0
    assert (tmp_path / "own.yaml").read_bytes() == (ROOT / "params/own.yaml").read_bytes()
    assert "own.yaml: nothing wrong" in capsys.readouterr().out


def test_chats_become_an_arm(given, monkeypatch, capsys):
    monkeypatch.chdir(given)
    words = ["--model", BASE, "--problems", "problems.json", "--traces", "my chats.jsonl"]
    assert main(["init", "mine.yaml", *words]) == 0
    said, study = capsys.readouterr().out, load_study(given / "mine.yaml")
    assert "16 problems; problem is 'question', expected_answer is 'answer'" in said
    assert "30 traces of 30 problems, 21 right, 20 to choose from" in said
    assert [arm.name for arm in study.arms] == ["base", "my-chats-20"] and study.name == "mine"
    (data,) = (arm.data for arm in study.arms if arm.data)
    assert data.filters == ["correct", "finished", "decontaminated"], "one of its problems is in the benchmark"
    more = yaml.safe_load((given / "mine.yaml").read_text().replace("  # - {", "  - {"))
    (given / "more.yaml").write_text(yaml.safe_dump(more))
    assert len(load_study(given / "more.yaml").arms) == 5, "the arms in comments can be had as they are"
    assert main(["init", "mine.yaml", *words]) == 1 and "it is there already" in capsys.readouterr().err


def test_what_is_on_the_hub_cannot_be_looked_at_without_it(given, monkeypatch, capsys):
    monkeypatch.chdir(given)
    for module in (new_study, training_fit):
        monkeypatch.setattr(module, "hub_answers", lambda: False)
    words = ["--model", "some/model", "--problems", "some/problems", "--traces", "some/traces"]
    assert main(["init", "hub.yaml", *words]) == 0
    assert capsys.readouterr().out.count("not on this machine, so not looked at") == 3
    study = load_study(given / "hub.yaml")
    assert study.problems.benchmark.source == "some/problems" and study.arm("traces-20").data.n == 20


@pytest.mark.parametrize(
    "change, words",
    [
        ({"--model": "./none"}, "./none: no such folder; give a model's folder, or its Hub id"),
        ({"--model": str(ROOT / "lib/longcot/miniature/weights/world1/reasoner")}, "an adapter, and no model"),
        ({"--problems": "none.json"}, "none.json: no such file"),
        ({"--problems": "my chats.jsonl", "--traces": "problems.json"}, "no column looks like the trace"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(change, words, given, monkeypatch, capsys):
    monkeypatch.chdir(given)
    named = {"--model": BASE, "--problems": "problems.json", "--traces": "my chats.jsonl"} | change
    assert main(["init", "mine.yaml", *(word for pair in named.items() for word in pair)]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (given / "mine.yaml").exists()
