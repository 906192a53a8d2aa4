"""The figures of curation: pools of traces, and what filters and choices make of them."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.style import (
    PARTS,
    ROW,
    WIDTH,
    _length_ticks,
    _ticks,
    _told,
    _varying,
    _wrapped,
    new_panels,
)
from longcot.traces.length import UNITS


def spreads(table: pd.DataFrame) -> Figure:
    """How each set's pool, what its filters left and what it took are spread: median, middle half and middle 90%.

    A panel a measure. From `sets.spread_table`.
    """
    names, measures = list(table["set"].unique()), _varying(table, "p5", "p95")
    size = 1.0 + 1.12 * ROW * len(names)
    figure, panels = new_panels(len(measures), 4, 2.0 if len(measures) > 1 else WIDTH, size, sharey="row")
    for axes, measure in zip(panels, measures, strict=True):
        for row in table[table["measure"] == measure].itertuples():
            y = names.index(row.set) + (list(PARTS).index(row.part) - 1) * 0.26
            colour = PARTS[row.part]
            axes.plot([row.p5, row.p95], [y, y], color=colour, lw=0.9)
            axes.plot([row.p25, row.p75], [y, y], color=colour, lw=3.2, solid_capstyle="butt")
            axes.plot(row.p50, y, marker="|", ms=6, mew=1.4, color="black")
        axes.set_xlabel(_told(measure))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [_wrapped(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        if measure in UNITS:
            axes.set_xscale("log")
            _length_ticks(axes.xaxis, table.loc[table["measure"] == measure, ["p5", "p95"]].stack())
        else:
            _ticks(axes.xaxis, measure)
    told = {"pool": "all of the pool", "left": "left by the filters", "chosen": "chosen"}
    keys = [Line2D([], [], lw=3.2, color=colour, label=told[part]) for part, colour in PARTS.items()]
    keys.append(Line2D([], [], ls="", marker="|", mew=1.4, color="black", label="median"))
    figure.legend(handles=keys, loc="outside lower center", ncols=4)
    return figure


QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def spread_table(members: pd.DataFrame, table: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row a set, part and measure: how many traces have it, and its quantiles (`QUANTILES`)."""
    rows = []
    for (name, part), own in members.groupby(["set", "part"], sort=False):
        for measure in measures:
            values = table.loc[own["row"], measure].dropna()
            if len(values):
                found = {column: values.quantile(share) for column, share in QUANTILES.items()}
                rows.append({"set": name, "part": part, "measure": measure, "traces": len(values)} | found)
    return pd.DataFrame(rows)
