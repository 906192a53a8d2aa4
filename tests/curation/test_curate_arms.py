"""The bad input of a curation, each through the function that notebook 02 calls: one line that names arm and fix."""

import json

import pytest
from synthetic_pools import make_pools, make_task

from longcot.curation.pool import read_pool
from longcot.curation.set_tables import chosen_places
from longcot.curation.task import CurateTask, curate_arms
from longcot.figures import curation_filters
from longcot.files.errors import BadInput
from longcot.problems.problem import problem_id
from longcot.problems.sources import load_problems
from longcot.traces.trace import read_traces, write_traces


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    make_pools(folder)
    traces = read_traces(folder / "traces/long/training.jsonl")
    counted = [trace.model_copy(update={"completion_tokens": 9}) for trace in traces]
    others = [trace.model_copy(update={"model": "other"}) for trace in counted[1::2]]
    write_traces(folder / "traces/mixed/training.jsonl", [*counted[::2], *others])
    changed = traces[1].model_copy(update={"expected_answer": "17"})
    write_traces(folder / "traces/torn/training.jsonl", [traces[0], changed, *traces[2:]])
    return folder


def curate(run, task: dict):
    difficulty = "traces/base/training.jsonl"
    files = [task["traces"], *task.get("also", [])]
    pool = read_pool(run, files, load_problems(run / "problems.jsonl"), difficulty)
    return curate_arms([CurateTask.model_validate(task)], pool, difficulty, run)


@pytest.mark.parametrize(
    "teacher, changes, message",
    [
        ("long", {"unit": "tokens", "strategy": "longest"}, "no number of tokens is known; give a tokenizer"),
        ("mixed", {"unit": "tokens", "strategy": "longest"}, r"tokens of \w+ beside tokens of \w+; give one tokenizer"),
        ("long", {"unit": "words", "tokenizer": "x/y", "strategy": "longest"}, "length in words with a tokenizer; lea"),
        ("mixed", {"filters": [{"length": {"low": 3}}]}, r"tokens of \w+ beside tokens of \w+; give one tokenizer"),
        ("torn", {}, "problem p0: expected answer '0' in one trace and '17' in sample 1; fix the label"),
        ("long", {"filters": ["correct", {"length": {"low": 900, "unit": "words"}}]}, "filter length .* removed all"),
        ("short", {"n": 33}, "33 traces wanted, .* problems have one left after the filters; lower its n"),
        ("long", {"strategy": "diverse_problems", "embedding": "no/such"}, "embedding model no/such: .* use tfidf"),
        ("long", {"stage": "edited"}, "training.jsonl has no stage 'edited'; it has ''"),
        ("long", {"filters": ["decontaminated"]}, "no benchmark to hold against; name problems.benchmark"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_arm_and_the_fix(run, teacher, changes, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match=f"arm mine: .*{message}") as raised:
        curate(run, make_task("mine", teacher, **changes))
    assert "\n" not in str(raised.value) and not (run / "training_sets/mine.jsonl").exists()


def test_the_same_set_again_with_every_rows_fate_and_its_data_sheet(run):
    task = make_task("again", "long", strategy="hardest")
    curate(run, task)
    file = run / task["training_set"]
    first, manifest = file.read_bytes(), json.loads((run / "training_sets/again.jsonl.manifest.json").read_text())
    fates = [fate for *_, fate, _ in manifest["rows"]]
    assert len(fates) == 96 and fates.count("chosen") == 6
    assert {"correct", "finished", "no_loop", "kept", "chosen"} == set(fates)
    sheet = file.with_name(file.name + ".datasheet.md")
    assert "| rows | 6 |" in sheet.read_text() and "no_loop: " in sheet.read_text()
    for made in (file, file.with_name(file.name + ".manifest.json"), sheet):
        made.unlink()
    curate(run, task | {"condition": {"a": "b"}})
    assert file.read_bytes() == first and sheet.is_file()
    sheet.unlink()
    curate(run, task)
    assert sheet.is_file(), "a sheet that a kill left out is made again"


def test_imported_traces_find_their_problem_by_its_text(run):
    """Traces of people carry no id of ours, and are still of a subject, a level and a difficulty."""
    traces = read_traces(run / "traces/long/training.jsonl")
    foreign = [trace.model_copy(update={"problem_id": problem_id(trace.problem)}) for trace in traces]
    write_traces(run / "traces/foreign/training.jsonl", foreign)
    curate(run, make_task("foreign", "foreign", n=8, strategy="balanced", match=["level"]))
    rows = [json.loads(line) for line in (run / "training_sets/foreign.jsonl").open()]
    assert sorted(row["subject"] for row in rows) == sorted(["sums", "shapes", "roots", "coins"] * 2)
    assert all(row["problem_id"].startswith("problem-") and row["base_pass_rate"] is not None for row in rows)


def test_a_set_of_two_teachers_names_them_and_takes_no_problem_twice(run):
    also = [{"teacher": "short", "n": 10, "unit": "words", "filters": ["correct"], "strategy": "shortest"}]
    task = make_task("both", "long", n=10, also=also) | {"also": ["traces/short/training.jsonl"]}
    (one,) = curate(run, task)
    file = run / task["training_set"]
    rows = [json.loads(line) for line in file.open()]
    assert [row["teacher"] for row in rows] == ["long"] * 10 + ["short"] * 10
    assert [row["model"] for row in rows] == [row["teacher"] for row in rows]
    assert len({row["problem_id"] for row in rows}) == 20
    manifest = json.loads(file.with_name("both.jsonl.manifest.json").read_text())
    assert set(manifest["removed"]) > {"short: correct", "long: correct"}
    fates = [fate for fate in manifest["rows"] if fate[3] == "chosen"]
    assert [fate[5] for fate in fates] == ["long"] * 10 + ["short"] * 10 and len(manifest["rows"]) == 96 + 80
    sheet = file.with_name("both.jsonl.datasheet.md").read_text()
    assert "| teachers in the study | long (10), short (10) |" in sheet
    assert "n 10" in sheet and "; besides, n 10" in sheet and "teacher short" in sheet
    places = chosen_places(one, run)
    assert [trace.model for _, trace in places] == [row["model"] for row in rows]
    assert [file.split("/")[1] for file, _ in places] == [row["teacher"] for row in rows]
    assert curation_filters.table([one])["traces"].sum() == 96 + 80
    assert curate(run, make_task("alone", "long"))[0].also == [], "and of one teacher a set is as it was"
    assert "teacher" not in json.loads((run / "training_sets/alone.jsonl").open().readline())
