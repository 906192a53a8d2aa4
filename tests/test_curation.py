import pytest

from longcot.curation import apply_filters, choose, training_rows
from longcot.errors import BadInput
from longcot.problems import Problem
from longcot.traces import Trace


def trace(problem: str, sample: int = 0, correct: bool = True, finish: str = "stop") -> Trace:
    return Trace(
        problem_id=problem, sample=sample, problem=f"{problem}?", expected_answer="1", model="m", text="{t}",
        finish_reason=finish, correct=correct, completion_tokens=7,
    )  # fmt: skip


TRACES = [trace("a"), trace("a", 1), trace("b", correct=False), trace("c", finish="length"), trace("d")]


def test_filters_say_what_they_removed():
    kept, removed = apply_filters(TRACES, ["correct", "finished"])
    assert [row.problem_id for row in kept] == ["a", "a", "d"] and removed == {"correct": 1, "finished": 1}
    with pytest.raises(BadInput, match="'corect' is not known"):
        apply_filters(TRACES, ["corect"])


def test_choice_takes_one_a_problem_and_repeats():
    kept = apply_filters(TRACES, ["correct"])[0]
    chosen = choose(kept, 3, "random", 1, "arm")
    assert sorted(row.problem_id for row in chosen) == ["a", "c", "d"]
    assert choose(kept[::-1], 3, "random", 1, "arm")[0].problem_id == chosen[0].problem_id
    assert len({tuple(row.problem_id for row in choose(kept, 2, "random", seed, "arm")) for seed in range(20)}) > 1


def test_balanced_takes_every_subject_before_any_twice():
    traces = [trace(f"{subject}{n}") for subject, count in (("a", 9), ("b", 5), ("c", 1)) for n in range(count)]
    problems = {
        row.problem_id: Problem(id=row.problem_id, problem="?", expected_answer="1", subject=row.problem_id[0])
        for row in traces
    }
    subjects = [row.problem_id[0] for row in choose(traces, 9, "balanced", 1, "arm", problems)]
    assert sorted(subjects[:3]) == ["a", "b", "c"] and sorted(subjects) == list("aaaabbbbc")
    with pytest.raises(BadInput, match="arm x: problem .* has no subject; give it one"):
        choose(traces, 2, "balanced", 1, "x")


def test_too_few_is_said_with_the_fix():
    with pytest.raises(BadInput, match="arm x: 4 traces wanted, 3 problems have one left .* lower its n"):
        choose(apply_filters(TRACES, ["correct"])[0], 4, "random", 1, "x")


def test_rows_are_conversations_with_their_properties():
    problem = Problem(id="a", problem="{a}?", expected_answer="1", subject="s", level="2")
    row = training_rows([TRACES[0]], {"a": problem}, {"a": 0.25}, "Solve {problem}", None)[0]
    assert row["messages"] == [{"role": "user", "content": "Solve {a}?"}, {"role": "assistant", "content": "{t}"}]
    assert (row["level"], row["base_pass_rate"], row["completion_tokens"]) == ("2", 0.25, 7)
