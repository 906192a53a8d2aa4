"""Labels of axes say where their ticks stand, and every axis has some, whatever the data's range and number of arms."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from drawings import texts_apart

from longcot.figures import (
    accuracy_by_part,
    accuracy_by_property,
    accuracy_by_traces,
    behaviours,
    conditions,
    curation_filters,
    curation_places,
    curation_profiles,
    curation_spreads,
    differences,
    live_loss,
    pass_at_k,
    ranked_arms,
    response_lengths,
    training_loss,
)
from longcot.figures.lines import MOST, bundled, spread

SPANS = (0.5, 3, 7.5, 25, 100)  # percentage points
RANGES = ((0.31, 0.34), (0.3, 0.9), (2.0, 2.0), (1e-4, 9.0), (0.0, 5000.0))  # of losses, and of lengths in 100 tokens


def arms_table(count: int, **columns) -> pd.DataFrame:
    """A main arm and others that are fine-tuned, each with a row of the given values."""
    rows = [{"arm": "base", "source": "", "role": "main", "n_train": 0}]
    for i in range(1, count):
        rows.append({"arm": f"arm {i}", "source": f"source {i % 2}", "role": "fine-tuned", "n_train": 5 * (1 + i % 3)})
    table = pd.DataFrame(rows).assign(**columns)
    sources = ["source 0", "source 1", ""]
    return table.assign(arm=pd.Categorical(table["arm"]), source=pd.Categorical(table["source"], sources))


def each(table: pd.DataFrame, **values) -> pd.DataFrame:
    """A row an arm and set of values."""
    rows = pd.DataFrame(values)
    return table.merge(rows, how="cross").astype({"arm": table["arm"].dtype, "source": table["source"].dtype})


def all_figures(count: int, points: float, low: float, high: float) -> dict:
    """Each figure of so many arms, shares within so many points, other numbers between low and high."""
    shares = np.linspace(0, points / 100, count) if count > 1 else np.array([points / 100])
    numbers = np.linspace(low, high, 20)
    interval = {"pass_at_1": shares, "pass_at_1_low": 0.9 * shares, "pass_at_1_high": shares}
    scores = arms_table(count, **interval, model="m", maj_at_k=shares, k=4)
    means = {"n_draws": 1, "mean": shares, "mean_low": shares, "mean_high": shares}
    middle, half = shares - shares.mean(), points / 100
    apart = {"difference": middle, "low": middle - half, "high": middle + half, "p_corrected": 0.5}
    order = list(scores["arm"])
    quantiles = {
        name: 100 * value for name, value in zip(("p5", "p25", "p50", "p75", "p95"), numbers[::4], strict=False)
    }
    ending = {"ending": "finished", "share": 1.0, "unit": "tokens"}
    curve = {"k": [1, 2, 4], "value": [0, points / 200, points / 100]}
    measures = {"varied": "x", "by_condition": False, "unit": "words", "pass_at_1": shares, "base_pass_rate": shares}
    measures |= {"mean_length": np.linspace(low, high, count), "level": 1.0, "distance": shares}
    log = arms_table(count).assign(n_train=20)
    log = each(log, step=range(1, 21), epoch=np.linspace(0.1, 15, 20), loss=numbers, learning_rate=numbers / 1e4)
    shows = {name: {"way": f"value {i % 4}"} for i, name in enumerate(order) if i % 2}
    sets = pd.DataFrame({"set": "s", "part": ["pool", "left", "chosen"], "traces": 9})
    spreads = sets.assign(measure="tokens", **quantiles)
    spreads = pd.concat([spreads, sets.assign(measure="correct", p5=0.0, p25=0.0, p50=0.0, p75=0.0, p95=points / 100)])
    places = pd.DataFrame({"set": "s", "part": ["left", "chosen"], "arm": "a", "level": ["1", "2"]})
    profiles = pd.DataFrame({"pool": ["a", "b"], "measure": "correct", "mean": [0.0, points / 100]})
    group = {"property": "way", "value": ["one", "two"], "n_draws": 1, **{key: points / 100 for key in interval}}
    one = pd.DataFrame({"property": "way", "value": ["one", "two"], "arm": "x", "pass_at_1": points / 100})
    drawn = {
        "ranked_arms": ranked_arms.draw(scores),
        "differences": differences.draw(arms_table(count, **apart), "base", order),
        "accuracy_by_part": accuracy_by_part.draw(each(scores, by="level", value=["1", "2"]), order),
        "behaviours": behaviours.draw(
            each(arms_table(count, unit="words"), behaviour=["a", "b"], rate=[0, 0.2]), order
        ),
        "response_lengths": response_lengths.draw(arms_table(count, **ending, **quantiles), order),
        "curves": pass_at_k.draw(each(arms_table(count), **curve).assign(low=0.0, high=points / 100)),
        "training_loss": training_loss.draw(log, shows),
        "live_loss": live_loss.draw(log[log["arm"].isin(order[:3])]),
        "conditions": conditions.draw(one, pd.DataFrame(group), []),
        "filters": curation_filters.draw(pd.DataFrame({"set": "s", "fate": ["left"], "traces": 9, "share": 1.0})),
        "spreads": curation_spreads.draw(spreads),
        "places": curation_places.draw(places.assign(tokens=[100 * low + 1, 100 * high + 1])),
        "profiles": curation_profiles.draw(profiles.assign(low=0.0, high=points / 100)),
    }
    if count > 2:
        drawn["accuracy_by_traces"] = accuracy_by_traces.draw(scores.assign(**means))
        tuned = arms_table(count, **measures).assign(n_train=20)
        drawn["accuracy_by_property"] = accuracy_by_property.draw(tuned)
    return drawn


def number(label: str) -> float:
    """What a label says: `2.5%`, `1.5k`, `0.001`, `−3`."""
    text = label.replace("\N{MINUS SIGN}", "-").replace(",", "")
    factor = 0.01 if text.endswith("%") else 1000 if text.endswith("k") else 1
    return factor * float(text.rstrip("%k"))


def labels_are_true(figure, name: str) -> None:
    """Each label of an axis of numbers is the place of its tick, and each has one at least."""
    for axis in (axis for axes in figure.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)):
        formatter = axis.get_major_formatter()
        if isinstance(getattr(formatter, "func", None), partial) or hasattr(formatter, "seq"):
            continue  # names, not numbers
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        labels = formatter.format_ticks(ticks)
        assert any(labels) and not formatter.get_offset(), f"{name}: an axis without labels, or with an offset"
        said = [number(label) for label in labels]
        assert said == pytest.approx(ticks, rel=1e-6, abs=1e-9), (name, labels, ticks)


@pytest.mark.parametrize(("points", "values"), list(zip(SPANS, RANGES, strict=True)))
def test_labels_say_where_their_ticks_stand(points, values):
    for count in (1, 30, 125) if points == 7.5 else (1, 30):
        for name, figure in all_figures(count, points, *values).items():
            labels_are_true(figure, f"{name} of {count} arms")


def test_the_check_can_fail():
    figure = ranked_arms.draw(
        arms_table(1, pass_at_1=0.1, pass_at_1_low=0.1, pass_at_1_high=0.1, maj_at_k=0, k=1, model="")
    )
    figure.axes[0].xaxis.set_major_formatter("{x:.1f}")
    with pytest.raises(AssertionError):
        labels_are_true(figure, "rounded")


def test_losses_within_a_decade_have_labels():
    for low, high in RANGES[:2]:
        axes = all_figures(3, 10, low, high)["training_loss"].axes[0]
        assert len([tick for tick in axes.get_yticks() if low * 0.99 <= tick <= high * 1.01]) > 1


def test_many_losses_are_medians_with_bands_by_condition():
    figure = all_figures(MOST + 6, 10, 0.1, 1)["training_loss"]
    texts_apart(figure)
    panels = {axes.get_title(): [line.get_label() for line in axes.lines] for axes in figure.axes if axes.axison}
    assert list(panels) == ["traces", "way"] and sorted(panels["way"]) == ["value 1", "value 3"]
    assert all(len(axes.collections) == len(axes.lines) for axes in figure.axes), "a band a line"
    lines = [(pd.Series([0, 10]), pd.Series([value, value])) for value in (1.0, 2.0, 6.0)]
    assert (bundled(lines)[["value"]] == 2).all(axis=None)


def test_lines_are_named_at_their_ends():
    for count in (3, MOST, 125):
        figure = all_figures(count, 3, 0.1, 1)["curves"]
        texts_apart(figure)
        names = [text.get_text() for text in figure.axes[0].texts]
        assert len(names) == count if count <= MOST else "source 0, n = 5 (20 arms)" in names


def test_names_keep_their_order_and_their_distance():
    assert spread([0.5], 0.1) == [0.5] and spread([0.1, 0.5], 0.1) == [0.1, 0.5]
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert spread([0.95, 1.0, 1.0], 0.1) == pytest.approx([0.8, 0.9, 1.0]), "and within the axes"
    places = spread([0.0, 0.0, 0.01, 0.05, 0.9], 0.1)
    assert places == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.9])
