"""Loss and learning rate in a notebook while adapters are trained, and when they are."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from IPython.display import display

from longcot.figures.training import training_progress

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
        tables = [pd.read_csv(log).assign(arm=arm) for arm, log in logs.items()]
        self._draw(pd.concat(tables, ignore_index=True))

    def _draw(self, table: pd.DataFrame) -> None:
        start = time.monotonic()
        figure = training_progress(table)
        if self.shown is None:
            self.shown = display(figure, display_id=True)
        else:
            self.shown.update(figure)
        end = time.monotonic()
        self.due = end + PATIENCE * (end - start)
