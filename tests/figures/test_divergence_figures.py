"""The tables and figures of notebook 06, from rows whose numbers can be told at sight."""

import numpy as np
import pandas as pd
import pytest
from test_ticks import labels_are_true

from longcot.figures import divergence_by_kind, divergence_by_layer, divergence_by_position, steered_accuracy
from longcot.run.locate import bounds

TOKENS = pd.DataFrame(
    {
        "position": [*range(1, 11)] * 2,
        "kind": ["opening"] * 2 + ["step"] * 7 + ["end"] + ["opening"] * 2 + ["digits"] * 8,
        "divergence": [10.0, 0, 0, 0, 0, 0, 0, 0, 0, 4.0] + [4.0, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        "flip": [1, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        **dict.fromkeys(("base_logprob", "adapter_logprob"), -1.0),
        **dict.fromkeys(("base_rank", "adapter_rank"), 1),
    }
)


def test_by_position():
    table = divergence_by_position.table(TOKENS)
    assert list(table["first"]) == [1, 2, 3, 4, 6, 8] and list(table["last"]) == [1, 2, 3, 5, 7, 11]
    assert table["tokens"].sum() == 20 and table["divergence"].iloc[0] == 7 and table["flips"].iloc[0] == 1
    labels_are_true(divergence_by_position.draw(table), "by position")


def test_by_kind():
    table = divergence_by_kind.table(TOKENS).set_index("kind")
    assert list(table.index) == ["opening", "step", "digits", "end"]
    assert table["of_tokens"].sum() == pytest.approx(1) and table["of_divergence"].sum() == pytest.approx(1)
    assert table["of_divergence"]["opening"] == pytest.approx(15 / 20) and table["flips"]["opening"] == 0.5
    divergence_by_kind.draw(table.reset_index())


def test_by_layer_a_longer_trace_counts_more():
    rows = {"problem_id": ["a", "a", "b", "b"], "off": ["none", "0"] * 2, "tokens": [1, 1, 3, 3]}
    means = {"divergence": [4.0, 2, 0, 0], "flips": [1.0, 0, 0, 0], "loss": [0.1, 0.2] * 2, "base_loss": 1.0}
    table = divergence_by_layer.table(pd.DataFrame(rows | means))
    assert list(table["divergence"]) == [1, 0.5] and list(table["tokens"]) == [4, 4] and list(table["traces"]) == [2, 2]
    divergence_by_layer.draw(table)


def test_a_share_becomes_a_bound_that_this_share_exceeds():
    table = bounds(TOKENS, [0.05, 0.1, 0.5]).set_index("share")
    assert table["above"][0.05] == 0.05 and table["of_divergence"][0.05] == 0.5
    assert table["bound"][0.5] == 0 and table["above"][0.5] == 0.25, "no more than part at all"
    assert table["of_flips"][0.5] == 1


def steered(right: dict[str, int]) -> pd.DataFrame:
    """Of each rule 20 problems, so many right; the adapter chose 2 of 10 tokens by divergence and by chance."""
    rows = []
    for rule, count in right.items():
        by = rule.split()[0]
        own = {"rule": rule, "by": by, "share": 0.1, "bound": 0.5, "completion_tokens": 10, "finish_reason": "stop"}
        own |= {"chosen": {"base": 0, "adapter": 10}.get(by, 2), "changed": 1}
        rows += [own | {"problem_id": str(number), "correct": number < count} for number in range(20)]
    return pd.DataFrame(rows)


def test_accuracy_against_the_share_that_came_about():
    rows = steered({"base": 0, "adapter": 20, "divergence 10%": 15, "chance 10%": 5})
    table = steered_accuracy.table(rows).set_index("rule")
    assert list(table["pass_at_1"]) == [0, 1, 0.75, 0.25] and list(table["chosen"]) == [0, 1, 0.2, 0.2]
    assert ((table["low"] <= table["pass_at_1"]) & (table["pass_at_1"] <= table["high"])).all()
    figure = steered_accuracy.draw(table.reset_index())
    labels_are_true(figure, "steered")
    assert [text.get_text() for text in figure.axes[0].texts] == ["10%"]
    (row,) = steered_accuracy.against_chance(rows).to_dict("records")
    assert row["difference"] == 0.5 and row["low"] > 0 and row["p_holm"] == row["p_value"] < 0.01
    assert steered_accuracy.table(pd.DataFrame()).empty
    assert np.isfinite(row["high"])
