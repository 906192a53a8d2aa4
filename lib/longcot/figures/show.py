"""How a notebook shows a figure, and how it is saved: three files in the run directory, named as the figure is."""

import difflib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from longcot.files.errors import BadInput
from longcot.files.run_directory import figure as figure_path
from longcot.files.writing import write_table

ENDINGS = (".pdf", ".png", ".csv")


def show_figure(run_dir: Path, name: str, *given: Any, each: str = "", **beside: Any) -> None:
    """Show a figure in the notebook and save it with its table under `figures/`; `name` is that of its file here.

    Its `table` is called with `given`, its `draw` with that table and `beside`. With `each`, a column of the table,
    there is a figure for each of its values: `<name>_<value>`. Where the table has no row nothing is shown and nothing
    written. What an earlier run left under the name, and this one does not show, is removed, so that no report has it.
    Raises BadInput for a name that is no figure's.
    """
    figure = _figure(name)
    table = figure.table(*given)
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


def _figure(name: str) -> ModuleType:
    """The file of a figure."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if "\ndef draw(" in file.read_text("utf-8"))
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        raise BadInput(f"no figure {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"use {', '.join(names)}"))
    return import_module(f"longcot.figures.{name}")


def save_figure(figure: Figure, table: pd.DataFrame, stem: Path) -> None:
    """Write `<stem>.pdf`, `<stem>.png` and, from its table, `<stem>.csv`."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    pdf, png, csv = (stem.with_name(stem.name + ending) for ending in ENDINGS)
    figure.savefig(pdf, metadata={"CreationDate": None})
    figure.savefig(png, metadata={"Software": None})
    write_table(csv, table)
