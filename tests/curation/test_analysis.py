import numpy as np
import pytest

from longcot.curation.pool import Pool
from longcot.curation.pool_tables import group_table, set_table, trace_table
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.traces.behaviours import behaviour_rates
from longcot.traces.length import LengthMeasure
from longcot.traces.trace import Trace


def trace(
    name: str, sample: int = 0, text: str = "So it is 2.", model: str = "m", correct: bool | None = True, **values
):
    given = {"problem": f"Problem {name}?", "expected_answer": "2"} | values
    return Trace(problem_id=name, sample=sample, model=model, text=text, correct=correct, **given)


def test_one_row_a_trace_with_lengths_named_by_their_unit():
    text = "<think>Perhaps it is 2. I think so.</think> It is 2."
    table = trace_table(
        [trace("a", text=text, finish_reason="stop"), trace("a", 1), trace("b")], LengthMeasure("words")
    )
    first = table.iloc[0]
    assert (first.words, first.thinking_words, first.answer_words, first.finished) == (10, 7, 3, 1)
    assert first.hedging_per_1000_words == behaviour_rates(text, 10)["hedging"] == 200
    assert np.isnan(table.thinking_words[1]) and np.isnan(table.finished[1])
    assert table.relative_length[0] == 10 / 7 and np.isnan(table.relative_length[2])
    in_characters = trace_table([trace("a", text=text)], LengthMeasure("characters"))
    assert in_characters.characters[0] == len(text) and in_characters.hedging_per_1000_words[0] == 200


def test_the_table_of_many_traces_is_that_of_few():
    """Rows are made a thousand at once: nothing may depend on where they are cut."""
    traces = [
        trace(f"p{n % 700}", n, text="word " * (1 + n % 9), finish_reason="stop" if n else None) for n in range(2100)
    ]
    table = trace_table(iter(traces), LengthMeasure("words"))
    assert len(table) == 2100 and table["words"].tolist() == [1 + n % 9 for n in range(2100)]
    assert table["sample"].tolist() == list(range(2100)) and np.isnan(table.finished[0]) and table.finished[1:].all()


def test_lengths_that_do_not_compare_are_refused():
    with pytest.raises(BadInput, match="no number of tokens is known"):
        trace_table([trace("a", completion_tokens=9), trace("b")], LengthMeasure("tokens"))
    with pytest.raises(BadInput, match="no traces to analyse"):
        trace_table([], LengthMeasure("words"))


def test_one_row_a_group_with_its_accuracy():
    traces = [
        trace("a"),
        trace("a", 1, correct=False),
        trace("b"),
        trace("a", model="n"),
        trace("c", model="n", correct=False),
    ]
    table = trace_table(traces, LengthMeasure("words"))
    groups = group_table(table, "model").set_index("model")
    assert groups.traces.to_dict() == {"m": 3, "n": 2} and groups.accuracy.to_dict() == {"m": 0.75, "n": 0.5}
    assert (groups.accuracy_low < groups.accuracy).all() and (groups.accuracy < groups.accuracy_high).all()


def test_accuracy_is_left_out_where_it_is_not_known():
    table = trace_table([trace("a", correct=None), trace("b")], LengthMeasure("words"))
    assert "accuracy" not in group_table(table, "model") and group_table(table, "model").median_words[0] == 4


def test_a_set_of_different_problems_is_more_diverse():
    one = [trace(f"a{n}", problem="add the numbers two and three", text="two and three are five") for n in range(4)]
    words = ("angles of triangles", "roots of unity", "coins in bags", "trains and clocks")
    many = [trace(f"b{n}", problem=text, text=text + " are looked at") for n, text in enumerate(words)]
    problems = {
        row.problem_id: Problem(id=row.problem_id, problem="?", expected_answer="2", subject=row.problem_id)
        for row in many
    }
    sets = set_table(
        {"one": one, "many": many}, Pool(problems, {row.problem_id: 0.5 for row in many}), LengthMeasure("words")
    )
    sets = sets.set_index("set")
    assert sets.problem_vendi["one"] == pytest.approx(1) and sets.problem_vendi["many"] > 3
    assert sets.solution_vendi["many"] > sets.solution_vendi["one"] == pytest.approx(1)
    assert sets.problem_distance["one"] == pytest.approx(0, abs=1e-9) and sets.problem_distance["many"] > 0.8
    assert sets.subjects.to_dict() == {"one": 0, "many": 4} and sets.mean_words["one"] == 5
    assert np.isnan(sets.mean_pass_rate["one"]) and sets.mean_pass_rate["many"] == 0.5
    with pytest.raises(BadInput, match="set none: no trace in it"):
        set_table({"one": one, "none": []}, Pool(), LengthMeasure("words"))
