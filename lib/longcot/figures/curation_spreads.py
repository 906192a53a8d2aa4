"""How traces are spread in a pool, in what filters left of it, and in what was chosen."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.style import (
    PART_COLOURS,
    ROW,
    WIDTH,
    axis_name,
    new_panels,
    varying,
    wrapped,
)
from longcot.figures.ticks import few_ticks, length_ticks
from longcot.traces.length import UNITS

QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def table(members: pd.DataFrame, measured: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row a set, part and measure: how many traces have it, and its quantiles (`QUANTILES`).

    From `set_tables.members_table` and `pool_tables.pools_table`.
    """
    rows = []
    for (name, part), own in members.groupby(["set", "part"], sort=False):
        for measure in measures:
            values = measured.loc[own["row"], measure].dropna()
            if len(values):
                found = {column: values.quantile(share) for column, share in QUANTILES.items()}
                rows.append({"set": name, "part": part, "measure": measure, "traces": len(values)} | found)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """How each set's pool, what its filters left and what it took are spread: median, middle half and middle 90%.

    A panel a measure.
    """
    names, measures = list(table["set"].unique()), varying(table, "p5", "p95")
    size = 1.0 + 1.12 * ROW * len(names)
    figure, panels = new_panels(len(measures), 4, 2.0 if len(measures) > 1 else WIDTH, size, sharey="row")
    for axes, measure in zip(panels, measures, strict=True):
        for row in table[table["measure"] == measure].itertuples():
            y = names.index(row.set) + (list(PART_COLOURS).index(row.part) - 1) * 0.26
            colour = PART_COLOURS[row.part]
            axes.plot([row.p5, row.p95], [y, y], color=colour, lw=0.9)
            axes.plot([row.p25, row.p75], [y, y], color=colour, lw=3.2, solid_capstyle="butt")
            axes.plot(row.p50, y, marker="|", ms=6, mew=1.4, color="black")
        axes.set_xlabel(axis_name(measure))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        if measure in UNITS:
            axes.set_xscale("log")
            length_ticks(axes.xaxis, table.loc[table["measure"] == measure, ["p5", "p95"]].stack())
        else:
            few_ticks(axes.xaxis, measure)
    labels = {"pool": "all of the pool", "left": "left by the filters", "chosen": "chosen"}
    keys = [Line2D([], [], lw=3.2, color=colour, label=labels[part]) for part, colour in PART_COLOURS.items()]
    keys.append(Line2D([], [], ls="", marker="|", mew=1.4, color="black", label="median"))
    figure.legend(handles=keys, loc="outside lower center", ncols=4)
    return figure
