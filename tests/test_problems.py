import os

import pytest

from longcot.errors import BadInput
from longcot.problems import load_problems


@pytest.mark.parametrize(
    "lines, message",
    [
        ('{"problem": "1+1?", "expected_answer": ""}\n', r"p\.jsonl:1: key 'expected_answer': .*is empty"),
        ('{"problem": "1+1?"}\n', r"p\.jsonl:1: key 'expected_answer': Field required"),
        ('{"problem": "a", "expected_answer": "1"}\n[1]\n', r"p\.jsonl:2: not a JSON object"),
        ('{"problem": "a", "expected_answer": "1"}\n{"pro', r"p\.jsonl:2: not JSON"),
        ('{"id": 1, "problem": "a", "expected_answer": 1}\n' * 2, r"p\.jsonl:2: id '1' stands in line 1 already"),
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


def test_hub_datasets_load_by_path(tmp_path, monkeypatch):
    """A local folder stands in for the Hub: the same call of the same library."""
    import datasets

    datasets.Dataset.from_dict({"problem": ["1+1?"], "answer": [2]}).to_parquet(tmp_path / "data" / "train.parquet")
    real = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", lambda name, **how: real(str(tmp_path / "data"), split=how["split"]))
    problems = load_problems("owner/name", columns={"expected_answer": "answer"})
    assert problems[0].expected_answer == "2" and problems[0].id == "owner/name-1"


@pytest.mark.skipif("LONGCOT_DATA" not in os.environ, reason="LONGCOT_DATA names no folder of real problems")
@pytest.mark.parametrize("name, count", [("comp-math-24-25", 256), ("math500", 500), ("olympiadbench_math_en", 675)])
def test_real_sets_load(name, count):
    assert len(load_problems(f"data:problems/{name}.jsonl")) == count
