"""How a notebook shows a figure, and how it is saved: three files in the run directory, named as the figure's own."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from longcot.files.run_directory import figure as figure_path
from longcot.files.writing import write_table

ENDINGS = (".pdf", ".png", ".csv")


class Drawn(Protocol):
    """A file of this folder: `table` makes a tidy table, with no row where there is nothing to show; `draw` draws it.

    What `draw` takes beside its table is named: `draw(table, main_arm)`.
    """

    __name__: str

    def table(self, *given: Any) -> pd.DataFrame: ...

    def draw(self, table: pd.DataFrame, **beside: Any) -> Figure: ...


def show_figure(run_dir: Path, figure: Drawn, *given: Any, each: str = "", **beside: Any) -> None:
    """Make the table of a figure of `given`, draw it, save both under `figures/` and show it in the notebook.

    With `each`, a column of the table, there is a figure for each of its values: `<name>_<value>`. Where the table has
    no row nothing is shown and nothing written. What an earlier run left under the name, and this one does not show, is
    removed, so that no report has it.
    """
    table, name = figure.table(*given), figure.__name__.rpartition(".")[2]
    parts: dict[str, pd.DataFrame] = {}
    if len(table):
        parts = {f"{name}_{value}": rows for value, rows in table.groupby(each, sort=False)} if each else {name: table}
    for stem, rows in parts.items():
        drawn = figure.draw(rows, **beside)
        save_figure(drawn, rows, run_dir / figure_path(stem))
        display(drawn)
    for old in (run_dir / figure_path(name)).parent.glob(f"{name}_*.*" if each else f"{name}.*"):
        if old.suffix in ENDINGS and old.stem not in parts:
            old.unlink()


def save_figure(figure: Figure, table: pd.DataFrame, stem: Path) -> None:
    """Write `<stem>.pdf`, `<stem>.png` and, from its table, `<stem>.csv`."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    pdf, png, csv = (stem.with_name(stem.name + ending) for ending in ENDINGS)
    figure.savefig(pdf, metadata={"CreationDate": None})
    figure.savefig(png, metadata={"Software": None})
    write_table(csv, table)
