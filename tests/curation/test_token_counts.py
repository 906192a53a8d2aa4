"""Traces that bring no number of tokens are counted by the base's tokenizer, which a study names."""

import pytest
from transformers import AutoTokenizer

from longcot.curation.pool import read_pool
from longcot.curation.task import CurateTask, Data, curate_arms
from longcot.curation.training_set import read_rows, training_rows
from longcot.files.errors import BadInput
from longcot.files.manifest import read_manifest
from longcot.problems.prompts import Prompt
from longcot.traces.trace import Trace, write_traces

TEXTS = ["one two three four", "antidisestablishmentarianism " * 3, "1 2 3 4 5 6 7 8 9"]


def made(run, counts=(None, None, None)) -> None:
    write_traces(
        run / "t.jsonl",
        [
            Trace(
                problem_id=f"p{n}", sample=0, problem=f"Q{n}", expected_answer="1", model="m", text=text, correct=True,
                finish_reason="stop", completion_tokens=count,
            )
            for n, (text, count) in enumerate(zip(TEXTS, counts, strict=True))
        ],
    )  # fmt: skip


def curate(run, tokenizer: object = "", **data) -> list[dict]:
    task = CurateTask(name="a", traces="t.jsonl", training_set="a.jsonl", data=Data(teacher="t", n=1, **data))
    curate_arms([task], read_pool(run, ["t.jsonl"], [], tokenizer=str(tokenizer)), "", run)
    return read_rows(run / "a.jsonl")


def test_the_base_s_tokenizer_counts_where_the_traces_do_not(tmp_path, tiny_model):
    made(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    counts = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    (row,) = curate(tmp_path, tiny_model, strategy="longest")
    assert row["messages"][-1]["content"] == TEXTS[counts.index(max(counts))]
    assert read_manifest(tmp_path / "a.jsonl")["parameters"]["tokens_counted_by"] == tiny_model.name
    sheet = (tmp_path / "a.jsonl.datasheet.md").read_text()
    assert f"| length of a trace, tokens of {tiny_model.name} | {max(counts)} to {max(counts)}, " in sheet
    low = min(counts) + 1
    (row,) = curate(tmp_path, tiny_model, strategy="shortest", filters=[{"length": {"low": low}}])
    assert row["messages"][-1]["content"] == TEXTS[counts.index(sorted(counts)[1])]
    with pytest.raises(BadInput, match="no number of tokens is known; give a tokenizer"):
        curate(tmp_path, strategy="longest")


def test_counts_that_the_traces_bring_hold(tmp_path, tiny_model):
    made(tmp_path, (900, 5, 6))
    (row,) = curate(tmp_path, tiny_model, strategy="longest")
    assert row["messages"][-1]["content"] == TEXTS[0]
    assert "tokens_counted_by" not in read_manifest(tmp_path / "a.jsonl")["parameters"]
    assert "| length of a trace, tokens | 900 to 900, " in (tmp_path / "a.jsonl.datasheet.md").read_text()
    made(tmp_path)  # what no length decides is of no tokenizer
    curate(tmp_path, tiny_model, strategy="random")
    assert "tokens_counted_by" not in read_manifest(tmp_path / "a.jsonl")["parameters"]


def test_an_empty_block_of_thoughts_only_where_the_study_says_so():
    traces = [
        Trace(problem_id=str(n), sample=0, problem="Q", expected_answer="1", model="m", text=text)
        for n, text in enumerate(["5", "<think>\nAdd.\n</think>\n\n5", "Add.</think>5"])
    ]
    told = [row["messages"][-1]["content"] for row in training_rows(traces, {}, {}, None, None)]
    assert told == [trace.text for trace in traces]
    told = [row["messages"][-1]["content"] for row in training_rows(traces, {}, {}, None, None, empty_thoughts=True)]
    assert told == ["<think>\n\n</think>\n\n5", *(trace.text for trace in traces[1:])]
    assert Prompt().recipe() == {"template": None, "system": None}  # old files stay
