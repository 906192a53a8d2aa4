from dataclasses import replace

import numpy as np
import pytest
from drawings import texts_apart
from synthetic_study import ARMS, make_arm, make_problems, make_study, read_study

from longcot.figures import accuracy_by_epochs, conditions, ranked_arms
from longcot.figures.results import one_by_one, read_results
from longcot.figures.task import PlotTask
from longcot.files.errors import BadInput
from longcot.files.strict import parse_all

SHOWN = {
    "reasoner-20-a": {"traces": "twenty", "choice": "even"},
    "reasoner-20-b": {"traces": "twenty", "choice": "even"},
    "reasoner-20-c": {"traces": "twenty"},
    "reasoner-1": {"traces": "one"},
    "instruct-20": {"choice": "bad"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    parameters = make_study(folder, count=32)
    tasks = [task | {"condition": SHOWN.get(task["name"], {})} for task in parameters["tasks"]]
    return read_study(parameters | {"tasks": tasks})


def test_one_row_a_value_over_its_draws(results):
    table = conditions.condition_table(results).set_index(["property", "value"])
    assert list(table.index) == [("traces", "twenty"), ("traces", "one"), ("choice", "even"), ("choice", "bad")]
    scores = ranked_arms.table(results).set_index("arm")["pass_at_1"]
    draws = scores[["reasoner-20-a", "reasoner-20-b", "reasoner-20-c"]]
    twenty, one = table.loc[("traces", "twenty")], table.loc[("traces", "one")]
    assert twenty["pass_at_1"] == pytest.approx(draws.mean()) and twenty["n_draws"] == 3
    assert (twenty["lowest"], twenty["highest"]) == pytest.approx((draws.min(), draws.max()))
    assert twenty["sd_draws"] == pytest.approx(draws.std()) and np.isnan(one["sd_draws"])
    assert one["difference"] == pytest.approx(scores["reasoner-1"] - draws.mean()) and one["high"] < 0
    assert list(table["compared_to"]) == ["", "twenty", "", "even"]
    assert table["p_corrected"].min() == pytest.approx(min(2 * table["p_value"].min(), table["p_value"].max()))
    assert list(table["n_train"]) == [20, 1, 20, 20] and list(table["n_samples"]) == [384, 128, 256, 128]


def test_arms_of_a_condition_are_not_shown_one_by_one(results):
    alone = {result.arm.name for result in one_by_one(results)}
    assert alone == {arm[0] for arm in ARMS} - SHOWN.keys()


def test_the_figure_has_every_draw_and_every_condition(results):
    draws = conditions.table(results)
    for count in (6, 1, 2):
        figure = conditions.draw(draws, conditions.condition_table(results), one_by_one(results)[:count])
        texts_apart(figure)
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["twenty (3)", "one (1)", "even (2)", "bad (1)"]
    points = [
        x for line in axes.lines if line.get_marker() == "|" and line.get_markersize() == 6 for x in line.get_xdata()
    ]
    assert sorted(points)[:1] == [draws["pass_at_1"].min()] and set(draws["pass_at_1"]) <= set(points)
    assert conditions.table(results[:1]).empty and conditions.condition_table(results[:1]).empty


def test_draws_on_other_problems_are_refused(tmp_path):
    few, more = make_problems(tmp_path / "p.jsonl", 8), make_problems(tmp_path / "p.jsonl", 12)
    arms = [make_arm(tmp_path, ARMS[4], few), make_arm(tmp_path, ARMS[5], more)]
    arms = [arm | {"condition": {"traces": "twenty"}} for arm in arms]
    results = read_results(tmp_path, parse_all(PlotTask, arms, "tasks"), [], "reasoner-20-a")
    with pytest.raises(BadInput, match="reasoner-20-a and reasoner-20-b of one condition are on different problems"):
        conditions.condition_table(results)


def test_what_was_foretold_stands_beside_what_came(results):
    assert "foretold" not in conditions.condition_table(results), (
        "a study that foretells nothing has its table as it was"
    )
    told = {"reasoner-1": "far below"}
    given = [replace(one, arm=one.arm.model_copy(update={"foretold": told.get(one.arm.name, "")})) for one in results]
    table = conditions.condition_table(given)
    assert list(table["foretold"]) == ["", "far below", "", ""] and list(table)[:-1] == list(conditions.CONDITIONS)


def test_accuracy_against_epochs_has_a_line_for_those_trained_alike(results):
    assert accuracy_by_epochs.table(results).empty
    epochs = {"reasoner-20-a": 1, "reasoner-20-b": 1, "reasoner-20-c": 30, "reasoner-50": 30}
    given = [replace(one, arm=one.arm.model_copy(update={"epoch": epochs.get(one.arm.name, 0)})) for one in results]
    table = accuracy_by_epochs.table(given)
    assert dict(zip(table["arm"], table["epoch"], strict=True)) == epochs
    (axes,) = accuracy_by_epochs.draw(table).axes
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    scores = table.set_index("arm")["pass_at_1"]
    means = [scores[["reasoner-20-a", "reasoner-20-b"]].mean(), scores["reasoner-20-c"]]
    assert list(lines[0].get_ydata()) == pytest.approx(means) and len(lines) == 2
    early = given[0].arm.model_copy(update={"own": {"checkpoint": {"of": "x", "epoch": 1}}})
    assert replace(given[1], arm=early) not in one_by_one([*given, replace(given[1], arm=early)])
