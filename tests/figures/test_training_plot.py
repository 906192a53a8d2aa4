"""The figure of a training, while it runs and in the end."""

import pandas as pd
import pytest
from drawings import texts_apart

from longcot.figures import live_loss
from longcot.figures.live_loss import TrainingPlot


class Output:
    """What a notebook shows: one place, and the figures that were put there one after the other."""

    def __init__(self):
        self.figures = []

    def __call__(self, figure, display_id):
        assert display_id and not self.figures, "a second place"
        self.figures.append(figure)
        return self

    def update(self, figure):
        self.figures.append(figure)


@pytest.fixture
def output(monkeypatch):
    monkeypatch.setattr(live_loss, "display", Output())
    return live_loss.display


def log(steps: int, start: float) -> pd.DataFrame:
    rows = [{"step": n, "epoch": n / 5, "loss": start / n, "learning_rate": 1e-3 / n} for n in range(1, steps + 1)]
    return pd.DataFrame(rows)


def drawn(figure) -> dict[str, list[list[float]]]:
    """What each panel shows: the values of each line."""
    return {axes.get_ylabel(): [list(line.get_ydata()) for line in axes.lines] for axes in figure.axes}


def test_follows_each_step_and_ends_with_the_whole_logs(output, monkeypatch, tmp_path):
    monkeypatch.setattr(live_loss, "PATIENCE", 0)
    plot, logs = TrainingPlot(), {"a": log(3, 1.0), "resumed": log(6, 2.0)}
    for arm, first in (("a", 0), ("resumed", 4)):
        on_step = plot.watch(arm)
        for row in logs[arm][first:].to_dict("records"):
            on_step(row)
    assert len(output.figures) == 3 + 2
    assert drawn(output.figures[1])["training loss, nats a token"] == [[1.0, 0.5]]
    assert drawn(output.figures[1])["learning rate"] == [[1e-3, 5e-4]]
    for arm, table in logs.items():
        table.to_csv(tmp_path / arm, index=False)
    plot.finish({arm: tmp_path / arm for arm in logs})
    assert drawn(output.figures[-1])["training loss, nats a token"] == [list(table["loss"]) for table in logs.values()]


def test_draws_for_a_small_part_of_the_time(output):
    on_step = TrainingPlot().watch("a")
    for row in log(50, 1.0).to_dict("records"):
        on_step(row)
    assert len(output.figures) == 1


def test_ten_arms_at_once_are_told_apart():
    table = pd.concat([log(10, 1.0 + n).assign(arm=f"reasoner-20-{n}") for n in range(10)])
    figure = live_loss.draw(table)
    texts_apart(figure)
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 10
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(table["arm"].unique())
