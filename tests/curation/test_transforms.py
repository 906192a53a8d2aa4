"""Transforms of chosen traces: what is changed, what stays, what is recorded, and what is refused."""

import json
import re

import pytest
from pydantic import ValidationError
from synthetic_pools import make_pools, make_task

from longcot.curation.pool import read_pool
from longcot.curation.task import CurateTask, Data, curate_arms
from longcot.curation.transforms import Transform, transform_traces
from longcot.files.errors import BadInput
from longcot.problems.sources import load_problems
from longcot.traces.trace import Trace

DAYS = "day 1: 40+2=42.\nday 2: 42+10=52.\nday 3: 52-7=45.\n"
LINES = f"Let me begin.\n{DAYS}Wait, that is wrong: I check.\nIt is \\boxed{{45}}."
THOUGHT = "<think>\nOne 1.\n\nTwo 2\nstill two.\n\nThree 3.\n</think>\n\nSo\n\n\\boxed{45}"


def trace(text: str, problem: str = "a", **fields) -> Trace:
    given = {
        "problem_id": problem,
        "sample": 0,
        "problem": f"What is {problem}?",
        "expected_answer": "45",
        "model": "m",
    }
    return Trace.model_validate(given | {"text": text, "completion_tokens": 9, "finish_reason": "stop"} | fields)


def changed(text: str, kind: str, **said):
    return transform_traces([trace(text)], Transform(kind=kind, **said), "mine")[0]


def test_steps_are_lines_or_paragraphs_and_the_ends_of_a_trace_stay():
    made = changed(LINES, "shuffle_steps")
    lines, new = LINES.split("\n"), made.trace.text.split("\n")
    assert new != lines and sorted(new) == sorted(lines) and (new[0], new[-1]) == (lines[0], lines[-1])
    assert made.among == 4 and made.changed == sum(a != b for a, b in zip(lines, new, strict=True))
    assert made.trace.correct and made.trace.answer == "45" and made.trace.completion_tokens is None
    assert changed(LINES, "shuffle_steps") == made != changed(LINES, "shuffle_steps", seed=4)
    thought = changed(THOUGHT, "shuffle_steps").trace.text
    assert thought == "<think>\nOne 1.\n\nThree 3.\n\nTwo 2\nstill two.\n</think>\n\nSo\n\n\\boxed{45}"


def test_steps_are_deleted_and_digits_changed_by_their_share():
    made = changed(LINES, "delete_steps", share=0.5)
    left = made.trace.text.split("\n")
    assert (made.changed, made.among, len(left)) == (2, 4, 4) and [
        line for line in LINES.split("\n") if line in left
    ] == left
    made = changed(LINES, "change_digits")
    numbers, new = (re.findall(r"\d+", text) for text in (LINES, made.trace.text))
    assert made.among == made.changed == 12 and numbers[-1] == new[-1] == "45"
    assert all(
        len(a) == len(b) and all(x != y for x, y in zip(a, b, strict=True))
        for a, b in zip(numbers[:-1], new, strict=False)
    )
    assert re.sub(r"\d", "#", LINES) == re.sub(r"\d", "#", made.trace.text)
    assert changed(LINES, "change_digits", share=0.25).changed == 3


def test_words_of_a_behaviour_go_and_nothing_else():
    made = changed(LINES, "remove_words", behaviours=["backtracking"])
    assert made.trace.text == LINES.replace("that is wrong", "") and made.changed == made.among


def test_swapped_traces_are_of_other_problems_and_are_graded_for_their_own():
    traces = [trace(f"It is \\boxed{{{45 if name == 'b' else 1}}}.", name) for name in "abcde"]
    made = transform_traces(traces, Transform(kind="swap_traces"), "mine")
    assert [one.trace.problem_id for one in made] == list("abcde")
    assert sorted(one.response_of for one in made) == list("abcde")
    assert all(one.response_of != one.trace.problem_id for one in made)
    assert [one.trace.correct for one in made] == [one.response_of == "b" for one in made]
    several = [trace("x", name, sample=sample) for name in "ab" for sample in range(2)]
    assert [one.response_of for one in transform_traces(several, Transform(kind="swap_traces"), "mine")] == list("bbaa")


@pytest.mark.parametrize(
    "text, said, words",
    [
        ("one line", {"kind": "shuffle_steps"}, "shuffle_steps leaves the trace of problem a, sample 0, as it is"),
        ("a\nsame\nsame\nb", {"kind": "shuffle_steps"}, "leaves the trace of problem a"),
        ("a\nno number\nb 7", {"kind": "change_digits"}, "leaves the trace of problem a"),
        (LINES, {"kind": "remove_words", "behaviours": ["subgoal setting"]}, "remove_words of subgoal setting leaves"),
        (LINES, {"kind": "swap_traces"}, "with its own; choose traces of more problems"),
    ],
)
def test_a_trace_that_would_stay_as_it_is_is_an_error_with_arm_and_problem(text, said, words):
    with pytest.raises(BadInput, match=f"arm mine: transform .*{words}") as raised:
        transform_traces([trace(text)], Transform(**said), "mine")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "said, words",
    [
        ({"kind": "remove_words"}, "remove_words needs them"),
        ({"kind": "remove_words", "behaviours": ["joy"]}, "behaviour 'joy' is not known"),
        ({"kind": "swap_traces", "share": 0.5}, "share 0.5 with swap_traces"),
        ({"kind": "delete_steps", "share": 0.0}, "greater than 0"),
        ("swap_traces", "swap_traces of one trace"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_study(said, words):
    with pytest.raises(ValidationError, match=words):
        Data(teacher="t", n=1, transform=said)


def test_each_rows_change_stands_in_the_set_its_manifest_and_its_data_sheet(tmp_path):
    make_pools(tmp_path)
    plain = make_task("plain", "long", filters=["correct", {"length": {"low": 40, "unit": "words"}}])
    tasks = [plain, plain | {"name": "shuffled", "training_set": "training_sets/shuffled.jsonl"}]
    tasks[1]["data"] = plain["data"] | {"transform": {"kind": "shuffle_steps", "seed": 3}}
    pool = read_pool(tmp_path, [plain["traces"]], load_problems(tmp_path / "problems.jsonl"))
    arms = [CurateTask.model_validate(task) for task in tasks]
    assert "transform" not in arms[0].recipe(pool)["arm"] and arms[1].recipe(pool)["arm"]["transform"]["seed"] == 3
    curate_arms(arms, pool, "", tmp_path)
    rows, same = ([json.loads(line) for line in open(tmp_path / arm.training_set)] for arm in reversed(arms))
    assert [row["problem_id"] for row in rows] == [row["problem_id"] for row in same], "the choice is the same"
    assert all(row["transform"]["changed"] >= 2 for row in rows) and "transform" not in same[0]
    assert all(
        a["messages"][0] == b["messages"][0] and a["messages"] != b["messages"] for a, b in zip(rows, same, strict=True)
    )
    manifest = json.loads((tmp_path / "training_sets/shuffled.jsonl.manifest.json").read_text())
    assert manifest["transformed"] == [[row["problem_id"], row["sample"], row["transform"]] for row in rows]
    assert "changed on purpose (shuffle_steps)" in (tmp_path / "training_sets/shuffled.jsonl.datasheet.md").read_text()
    assert arms[1].data.drawn(2).transform.seed == 5
