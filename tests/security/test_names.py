"""Names of a study, and what problems and traces say of themselves, stay inside the run directory."""

import json

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.grading.extraction import extract_answer
from longcot.grading.grade import is_equivalent
from longcot.problems.sources import load_problems
from longcot.study.reading import load_study
from longcot.traces.importing import import_traces
from longcot.traces.trace import read_traces, write_traces

STUDY = (ROOT / "params/miniature.yaml").read_text()

NAMES = ["../x", "/etc/x", "a/b", "..", ".", ".hidden", "-rf", "a\x00b", "a\nb", "a b", "a\u202eb", "é", "", "x" * 101]
NAMES += ["~", "$HOME", "a;b", "a`b", "CON\\x", "a:b", "*", "x\n"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [("name",), ("arms", 3, "name"), ("training_traces", 1, "name"), ("models",)])
def test_a_name_that_leaves_the_run_directory_is_refused(tmp_path, place, name):
    values = inner = yaml.safe_load(STUDY)
    if place == ("models",):
        values["models"][name] = values["models"]["base"]
    else:
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = name
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(BadInput) as raised:
        load_study(tmp_path / "study.yaml")
    assert "\n" not in str(raised.value) and "\x00" not in str(raised.value) and len(str(raised.value)) < 600


def test_yaml_makes_no_objects(tmp_path):
    (tmp_path / "study.yaml").write_text("name: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(BadInput, match=r"study.yaml:1: not YAML"):
        load_study(tmp_path / "study.yaml")


IDS = ["../../x", "/etc/passwd", "a\x00b", "\u202ex", "<script>", "CON", "x" * 5000, "a\nb", "\ud800"]


def test_ids_of_problems_are_values_never_paths(tmp_path):
    rows = [{"problem_id": one, "problem": f"p {i}", "expected_answer": "1", "text": "t"} for i, one in enumerate(IDS)]
    (tmp_path / "s").mkdir()
    (tmp_path / "s/x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {key: key for key in rows[0]}
    traces = import_traces(str(tmp_path / "s/x.jsonl"), keys)
    write_traces(tmp_path / "s/y.jsonl", traces)
    assert len({trace.problem_id for trace in read_traces(tmp_path / "s/y.jsonl")}) == len(IDS)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["s", "x.jsonl", "y.jsonl"]


BAD_LINES = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "deep and whole": '{"problem": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "huge integer": '{"problem": ' + "9" * 50_000 + ', "expected_answer": 1, "id": 1}',
    "NaN": '{"problem": "x", "expected_answer": NaN, "id": [NaN]}',
    "not UTF-8": b'{"problem": "\xff\xfe"}',
    "no object": '"x"',
    "null": '{"problem": null, "expected_answer": null, "text": null}',
    "NUL": "\x00" * 1000,
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_one_clear_error(tmp_path, line):
    (tmp_path / "x.jsonl").write_bytes(line if isinstance(line, bytes) else line.encode())
    keys = {"problem": "problem", "expected_answer": "expected_answer", "text": "problem"}
    for read in (lambda path: load_problems(path), lambda path: import_traces(path, keys)):
        with pytest.raises(BadInput, match=r"x\.jsonl:1") as raised:
            read(str(tmp_path / "x.jsonl"))
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 1000


@pytest.mark.parametrize("line", [*BAD_LINES.values()], ids=BAD_LINES)
def test_a_bad_line_among_traces_is_one_clear_error(tmp_path, line):
    (tmp_path / "x.jsonl").write_bytes((line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(BadInput, match=r"x\.jsonl:1: not a trace") as raised:
        read_traces(tmp_path / "x.jsonl")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1000


def test_a_long_line_is_read(tmp_path):
    row = {"id": "x", "problem": "a" * 20_000_000, "expected_answer": "1"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    assert len(load_problems(str(tmp_path / "x.jsonl"))[0].problem) == 20_000_000


@pytest.mark.parametrize(
    "answer", ["__import__('os').system('touch ran')", "9**9**9**9", "\\boxed{" * 5000, "\x00" * 99]
)
def test_answers_are_not_evaluated(tmp_path, monkeypatch, answer):
    """More of it, with times, in test_equivalence."""
    monkeypatch.chdir(tmp_path)
    extract_answer(answer)
    assert is_equivalent(answer, "1", timeout=2) is False
    assert not (tmp_path / "ran").exists()
