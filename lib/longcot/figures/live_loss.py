"""Loss and learning rate in a notebook while adapters are trained, and when they are."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from longcot.figures.style import DASHES, PALETTE, WIDTH, new_axes
from longcot.figures.ticks import plain

PATIENCE = 20  # the figure is drawn again when this many times its drawing's seconds have passed, so for 5% of the time


class TrainingPlot:
    """One figure of all arms in the output of the cell that trains them, kept up to date."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float | str]] = []
        self.shown, self.due = None, 0.0

    def watch(self, arm: str) -> Callable[[dict[str, float]], None]:
        """What `qlora.train_adapter` may call at each step of an arm."""

        def on_step(row: dict[str, float]) -> None:
            self.rows.append({"arm": arm, **row})
            if time.monotonic() >= self.due:
                self._draw(pd.DataFrame(self.rows))

        return on_step

    def finish(self, logs: Mapping[str, Path]) -> None:
        """Draw the whole logs (arm: its loss.csv), also of what was trained in an earlier run."""
        self._draw(table(logs))

    def _draw(self, rows: pd.DataFrame) -> None:
        start = time.monotonic()
        figure = draw(rows)
        if self.shown is None:
            self.shown = display(figure, display_id=True)
        else:
            self.shown.update(figure)
        end = time.monotonic()
        self.due = end + PATIENCE * (end - start)


def table(logs: Mapping[str, Path]) -> pd.DataFrame:
    """One row a step of all logs (arm: its loss.csv), in order: `arm`, `epoch`, `loss`, `learning_rate` and more."""
    return pd.concat([pd.read_csv(log).assign(arm=arm) for arm, log in logs.items()], ignore_index=True)


def draw(table: pd.DataFrame) -> Figure:
    """Loss and learning rate of each arm against the epoch."""
    figure, (losses, rates) = new_axes(WIDTH, 3.2, (1, 1), sharey=False)
    for i, (name, log) in enumerate(table.groupby("arm", sort=False)):
        look = {"color": PALETTE[i % len(PALETTE)], "ls": DASHES[i // len(PALETTE) % len(DASHES)], "lw": 1.1}
        losses.plot(log["epoch"], log["loss"], label=name, **look)
        rates.plot(log["epoch"], log["learning_rate"], **look)
    plain(rates.yaxis)
    for axes, name in ((losses, "training loss, nats a token"), (rates, "learning rate")):
        axes.set(xlabel="epoch", ylabel=name, ylim=(0, None))
        axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=3, handlelength=2)
    return figure
