import pytest

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.filtering import filter_stage, filter_traces
from longcot.curation.pool import Pool
from longcot.curation.training_set import training_rows
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.traces.trace import Trace


def trace(problem: str, sample: int = 0, correct: bool = True, finish: str = "stop") -> Trace:
    return Trace(
        problem_id=problem, sample=sample, problem=f"{problem}?", expected_answer="1", model="m", text="{t}",
        finish_reason=finish, correct=correct, completion_tokens=7,
    )  # fmt: skip


TRACES = [trace("a"), trace("a", 1), trace("b", correct=False), trace("c", finish="length"), trace("d")]


def test_filters_say_what_they_removed():
    found = filter_traces(TRACES, ["correct", "finished"])
    assert [row.problem_id for row in found.kept] == ["a", "a", "d"]
    assert found.removed == {"correct": 1, "finished": 1}


def test_one_stage_of_a_file():
    pool = Pool(traces={"t.jsonl": TRACES})
    assert filter_stage("t.jsonl", "", ["correct"], pool).removed == {"correct": 1}
    for stage, filters, message in [("", ["corect"], "'corect' is not known"), ("join", [], "t.jsonl has no stage")]:
        with pytest.raises(BadInput, match=message):
            filter_stage("t.jsonl", stage, filters, pool)


def test_choice_takes_one_a_problem_and_repeats():
    kept = filter_traces(TRACES, ["correct"]).kept
    chosen = pick_traces(kept, Choice(n=3, seed=1), Pool(), "arm")
    assert sorted(row.problem_id for row in chosen) == ["a", "c", "d"]
    assert pick_traces(kept[::-1], Choice(n=3, seed=1), Pool(), "arm")[0].problem_id == chosen[0].problem_id
    draws = [pick_traces(kept, Choice(n=2, seed=seed), Pool(), "arm") for seed in range(20)]
    assert len({tuple(row.problem_id for row in draw) for draw in draws}) > 1


def test_balanced_takes_every_subject_before_any_twice():
    traces = [trace(f"{subject}{n}") for subject, count in (("a", 9), ("b", 5), ("c", 1)) for n in range(count)]
    problems = {
        row.problem_id: Problem(id=row.problem_id, problem="?", expected_answer="1", subject=row.problem_id[0])
        for row in traces
    }
    balanced = Choice(n=9, strategy="balanced", seed=1)
    subjects = [row.problem_id[0] for row in pick_traces(traces, balanced, Pool(problems), "arm")]
    assert sorted(subjects[:3]) == ["a", "b", "c"] and sorted(subjects) == list("aaaabbbbc")
    with pytest.raises(BadInput, match="arm x: problem .* has no subject; give it one"):
        pick_traces(traces, balanced, Pool(), "x")


def test_too_few_is_said_with_the_fix():
    with pytest.raises(BadInput, match="arm x: 4 traces wanted, 3 problems have one left .* lower its n"):
        pick_traces(filter_traces(TRACES, ["correct"]).kept, Choice(n=4), Pool(), "x")


def test_rows_are_conversations_with_their_properties():
    problem = Problem(id="a", problem="{a}?", expected_answer="1", subject="s", level="2")
    row = training_rows([TRACES[0]], {"a": problem}, {"a": 0.25}, "Solve {problem}", None)[0]
    assert row["messages"] == [{"role": "user", "content": "Solve {a}?"}, {"role": "assistant", "content": "{t}"}]
    assert (row["level"], row["base_pass_rate"], row["completion_tokens"]) == ("2", 0.25, 7)
