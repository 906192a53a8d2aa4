import json
import os
import subprocess
import sys

import datasets
import pytest

from longcot.files.errors import BadInput
from longcot.problems.problem import problem_id
from longcot.problems.sources import load_problems, matches


@pytest.mark.parametrize(
    "lines, message",
    [
        ('{"problem": "1+1?", "expected_answer": ""}\n', r"p\.jsonl:1: key 'expected_answer': .*is empty"),
        ('{"problem": "1+1?"}\n', r"p\.jsonl:1: key 'expected_answer': Field required"),
        ('{"problem": "a", "expected_answer": "1"}\n[1]\n', r"p\.jsonl:2: not a JSON object"),
        ('{"problem": "a", "expected_answer": "1"}\n{"pro', r"p\.jsonl:2: not JSON"),
        (
            '{"id": 1, "problem": "a", "expected_answer": 1}\n{"id": 1, "problem": "b", "expected_answer": 1}\n',
            r"p\.jsonl:2: id '1' stands in line 1 already",
        ),
        (
            '{"problem": "a", "expected_answer": 1}\n{"problem": "a", "expected_answer": 2}\n',
            r"p\.jsonl:2: the answer '2' of a problem that has '1' in line 1",
        ),
        ("", r"p\.jsonl: no problem in it"),
    ],
)
def test_a_bad_row_is_named(tmp_path, lines, message):
    (tmp_path / "p.jsonl").write_text(lines)
    with pytest.raises(BadInput, match=message):
        load_problems(tmp_path / "p.jsonl")


def test_columns_and_numbers(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"question": "1+1?", "answer": 2, "level": 3}\n')
    problem = load_problems(tmp_path / "p.jsonl", columns={"problem": "question", "expected_answer": "answer"})[0]
    assert (problem.expected_answer, problem.level) == ("2", "3")
    with pytest.raises(BadInput, match="no column 'q'"):
        load_problems(tmp_path / "p.jsonl", columns={"problem": "q"})


@pytest.mark.parametrize("source", ["miniature:dev", "no/such/thing", "miniature:test@x", "word"])
def test_an_unknown_source_is_named(source):
    with pytest.raises(BadInput, match=source):
        load_problems(source)


def test_rows_that_repeat_a_problem_are_one(tmp_path):
    """Several solutions of a problem, one a row, as sets of traces have them."""
    rows = [{"problem": text, "expected_answer": "1", "kind": kind} for text in ("a b", "a\n b", "c") for kind in "xy"]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = load_problems(tmp_path / "p.jsonl")
    assert [(problem.id, problem.problem) for problem in problems] == [
        (problem_id("a b"), "a b"),
        (problem_id("c"), "c"),
    ]
    assert len(load_problems(tmp_path / "p.jsonl", limit=1)) == 1
    assert len(load_problems(tmp_path / "p.jsonl", where={"kind": "x"})) == 2
    assert len(list(filter(lambda row: matches(row, {"kind": ["x", "z"], "problem": "c"}), rows))) == 1
    with pytest.raises(BadInput, match=r"p\.jsonl: no problem in it with {'kind': 'z'}"):
        load_problems(tmp_path / "p.jsonl", where={"kind": "z"})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where `datasets` keeps what it has prepared."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_local_copy_of_a_hub_dataset_loads(tmp_path, cache, kind):
    """A folder goes through the same call of the same library as a Hub id, with splits, whole or streamed."""
    folder = tmp_path / "copy"
    for split, texts in (("train", ["a", "a", "b", "c"]), ("test", ["d"])):
        rows = datasets.Dataset.from_dict({"problem": texts, "answer": [len(texts)] * len(texts)})
        path = folder / f"{split}.{kind}"
        rows.to_parquet(path) if kind == "parquet" else rows.to_json(path)
    columns = {"expected_answer": "answer"}
    assert [one.problem for one in load_problems(folder, columns=columns)] == ["a", "b", "c"]
    assert [one.problem for one in load_problems(folder, columns=columns, limit=2)] == ["a", "b"]
    assert [one.problem for one in load_problems(folder, split="train[:3]", columns=columns, limit=9)] == ["a", "b"]
    (other,) = load_problems(folder, split="test", columns=columns)
    assert (other.id, other.expected_answer, other.source) == (problem_id("d"), "1", "copy")
    with pytest.raises(BadInput, match=r"copy: cannot load this dataset \(.*\); check its id, split") as error:
        load_problems(folder, split="dev", columns=columns)
    assert "\n" not in str(error.value)


def test_a_copy_that_does_not_parse_says_why(tmp_path, cache):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/train.jsonl").write_text('{"problem": "a", "expected_answer": "1"}\n{"pro')
    with pytest.raises(BadInput, match=r"copy: cannot load this dataset \(.*JSON.*\); check"):
        load_problems(tmp_path / "copy")


def test_a_limit_reads_no_more_than_it_needs(tmp_path, cache):
    """A set of millions of rows must not be loaded for a few problems: it is streamed, none of it prepared on disk."""
    (tmp_path / "copy").mkdir()
    good = '{"problem": "a", "expected_answer": "1"}\n{"problem": "b", "expected_answer": "1"}\n'
    (tmp_path / "copy/train.jsonl").write_text(good + '{"problem": "c", "expected_answer": ""}\n')
    assert len(load_problems(tmp_path / "copy", limit=2)) == 2 and not list(cache.rglob("*.arrow"))
    with pytest.raises(BadInput, match="copy:3: key 'expected_answer': .*is empty"):
        load_problems(tmp_path / "copy")
    assert list(cache.rglob("*.arrow"))


def test_a_hub_dataset_out_of_reach_is_one_line():
    """The real library, told to stay offline; a gated dataset fails at the same place."""
    code = "from longcot.problems.sources import load_problems; load_problems('owner/absent', revision='main', limit=3)"
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    last = done.stderr.strip().split("\n")[-1]
    assert last.startswith("longcot.files.errors.BadInput: owner/absent: cannot load this dataset (")
    assert done.stderr.count("Traceback") == 1


@pytest.mark.skipif("LONGCOT_DATA" not in os.environ, reason="LONGCOT_DATA names no folder of real problems")
@pytest.mark.parametrize("name, count", [("comp-math-24-25", 256), ("math500", 500), ("olympiadbench_math_en", 675)])
def test_real_sets_load(name, count):
    assert len(load_problems(f"data:problems/{name}.jsonl")) == count
