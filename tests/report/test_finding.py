"""What a report opens with: a few sentences and rows, from the tables of the run."""

import pandas as pd
import pytest

from longcot.figures.task import PlotTask
from longcot.report.captions import caption
from longcot.report.finding import Row, find

ARMS = [  # name, model, n_train, data, share right
    ("base", "base", 0, "", 0.03),
    ("few-shot", "base", 0, "reasoner", 0.05),
    ("reasoner", "reasoner", 0, "", 0.99),
    ("instruct", "instruct", 0, "", 0.2),
    ("r-20", "base", 20, "reasoner", 0.76),
    ("r-50", "base", 50, "reasoner", 0.95),
    ("i-1", "base", 1, "instruct", 0.01),
]


def made(folder, rows):
    """A run with the tables of these arms; returns their tasks."""
    (folder / "tables").mkdir()
    scores = [{"arm": name, "pass_at_1": share, "mean_tokens": 200.4} for name, *_, share in rows]
    table = pd.DataFrame(scores).assign(n_problems=128)
    table["pass_at_1_low"], table["pass_at_1_high"] = table["pass_at_1"] - 0.01, table["pass_at_1"] + 0.005
    table.to_csv(folder / "tables/arms.csv", index=False)
    apart = {"difference": table["pass_at_1"] - rows[0][-1], "low": 0.1, "high": 0.9, "p_corrected": 1e-9}
    table[["arm"]].assign(**apart).to_csv(folder / "tables/differences.csv", index=False)
    return [PlotTask(name=name, model=model, n_train=n, data=data, traces="x") for name, model, n, data, _ in rows]


def test_base_the_best_of_each_source_and_teachers(tmp_path):
    found = find(tmp_path, made(tmp_path, ARMS), "base")
    assert [row.arm for row in found.rows] == ["base", "reasoner", "r-50", "instruct", "i-1"]
    assert found.rows[2] == Row("r-50", "50 traces of reasoner; the best of 2 arms", "95.0 (94.0 to 95.5)", "200")
    assert (
        found.rows[4].learnt == "1 trace of instruct"
        and found.rows[0].learnt == "nothing"
        and found.rows[1].learnt == "nothing here; a teacher"
    )
    assert found.sentences == [
        "base gets 3.0% of 128 problems right; fine-tuned on 50 traces of reasoner (r-50) it gets 95.0% (+92.0 points, "
        "10.0 to 90.0, paired over problems, p < 0.001 after Holm's correction).",
        "reasoner itself gets 99.0%; the best of other sources: 1.0% with traces of instruct.",
    ]


def test_never_more_than_six_rows(tmp_path):
    arms = [("main", "m", 0, "", 0.5), *((f"t{i}", f"t{i}", 0, "", 0.95) for i in range(9))]
    arms += [(f"f{i}", "m", 20, f"t{i}", 0.5 + i / 20) for i in range(9)]
    found = find(tmp_path, made(tmp_path, arms), "main")
    assert [row.arm for row in found.rows] == ["main", "t0", "f8", "f7", "f6", "f5"]


def test_a_study_without_fine_tuned_arms(tmp_path):
    found = find(tmp_path, made(tmp_path, [ARMS[0], ARMS[2], ARMS[3]]), "base")
    assert [row.arm for row in found.rows] == ["base", "reasoner", "instruct"]
    assert found.sentences == ["base gets 3.0% of 128 problems right.", "The best arm is reasoner with 99.0%."]


def test_conditions_are_summed_up(tmp_path):
    arms = made(tmp_path, ARMS)
    rows = {"property": "length", "value": ["long", "short"], "compared_to": ["", "long"], "difference": [None, -0.3]}
    table = pd.DataFrame(rows | {"low": [None, -0.4], "high": [None, -0.2], "p_corrected": [None, 0.01]})
    table.to_csv(tmp_path / "tables/curation.csv", index=False)
    assert find(tmp_path, arms, "base").sentences[-1] == (
        "Of 1 comparisons of conditions 1 are significant at 5% after correction; the largest: length 'short' against "
        "'long', -30.0 points (-40.0 to -20.0)."
    )


def test_nothing_evaluated(tmp_path):
    assert find(tmp_path, [], "").rows == []


@pytest.mark.parametrize(
    "name, rows, words",
    [
        ("differences", {"arm": ["a", "b"], "difference": [0.5, -0.5], "p_corrected": [0.001, 0.2]},
         "Of 2 arms 1 are clearly above and 0 clearly below (p < 0.05, corrected)."),
        ("votes", {"arm": ["a", "a"], "k": [1, 4], "value": [0.25, 0.5]},
         "a gains most, from 25.0% at k = 1 to 50.0% at k = 4."),
        ("response_lengths", {"arm": ["a", "b", "b"], "ending": ["finished", "finished", "cut off"], "unit": "tokens",
                              "p50": [15, 2000, 4096], "share": [1, 0.9, 0.1]},
         "Medians go from 15 (a) to 2,000 tokens (b). Most often cut off: b (10.0%)."),
        ("training_loss", {"arm": ["a", "a", "b"], "step": [1, 2, 1], "loss": [2, 0.5, 1]},
         "Last losses of 2 arms: from 0.5 (a) to 1 (b)."),
        ("accuracy_by_part", {"arm": ["a", "a"], "by": "level", "value": [1, 4], "pass_at_1": [0.9, 0.2]},
         "Widest apart: a, by level from 4 (20.0%) to 1 (90.0%)."),
        ("accuracy_by_traces", {"arm": ["m", "a", "b"], "source": ["", "r", "r"], "n_train": [0, 1, 20],
                                "role": ["main", "fine-tuned", "fine-tuned"], "mean": [None, 0.1, 0.5]},
         "Mean by the source of the traces: r 10.0% at 1, 50.0% at 20."),
        ("behaviours", {"arm": ["a"], "behaviour": ["backtracking"], "rate": [1.25], "unit": ["words"]},
         "Most frequent: backtracking in a, 1.2 in 1,000 words."),
        ("curation_filters", {"set": ["s", "s"], "fate": ["finished", "left"], "share": [0.75, 0.25]},
         "Left: 25.0% of s."),
        ("conditions", {"arm": ["a"]}, ""),
    ],
)  # fmt: skip
def test_a_sentence_on_each_figure(tmp_path, name, rows, words):
    (tmp_path / "figures").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / f"figures/{name}.csv", index=False)
    assert caption(tmp_path, name) == words
    assert caption(tmp_path, "none") == ""
