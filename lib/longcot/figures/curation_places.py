"""Where the chosen traces lie among all that were left."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.style import PART_COLOURS, axis_name, new_panels, wrapped
from longcot.figures.ticks import length_ticks
from longcot.traces.length import UNITS


def table(members: pd.DataFrame, measured: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The rows of `set_tables.members_table` that filters left, with the problem, its level and the length in `unit`.

    Where no problem states a level, with its pass rate. `measured` is of `pool_tables.pools_table`.
    """
    x = "level" if measured["level"].notna().any() else "base_pass_rate"
    return members[members["part"] != "pool"].join(measured[["problem_id", x, unit]], on="row")


def draw(table: pd.DataFrame) -> Figure:
    """Where the chosen lie among all that were left, a panel a set: length against level or pass rate.

    Points of one level stand side by side. Of a set of several arms the first one's choice.
    """
    x = "level" if "level" in table else "base_pass_rate"
    y = next(unit for unit in UNITS if unit in table)
    known = table[x].notna()
    values = [*sorted(table.loc[known, x].unique()), *([] if known.all() else ["?"])]
    table = table.assign(at=table[x].where(known, "?").map(values.index).astype(float))
    names = list(table["set"].unique())
    figure, panels = new_panels(len(names), 4, 1.75, 1.6, sharex="all", sharey="all")
    looks = {"left": {"ms": 1.6, "alpha": 0.5, "color": PART_COLOURS["pool"]}}
    looks["chosen"] = {"ms": 3.2, "color": PART_COLOURS["chosen"]}
    for axes, name in zip(panels, names, strict=True):
        for part, look in looks.items():
            own = table[(table["set"] == name) & (table["part"] == part)]
            own = own[own["arm"] == own["arm"].iloc[0]] if len(own) else own
            shift = (own.groupby("at").cumcount() * 0.618) % 1 - 0.5  # side by side, the same each time
            axes.plot(own["at"] + 0.7 * shift, own[y], ls="", marker="o", mew=0, **look)
        axes.set_title(wrapped(name, 22), fontsize=8)
        axes.set_yscale("log")
        length_ticks(axes.yaxis, table[y])
        axes.set_xticks(range(len(values)), [f"{v:.2g}" if isinstance(v, float) else v for v in values])
        axes.tick_params(labelsize=7.5)
    for axes in panels[-4:]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supxlabel(axis_name(x), fontsize="medium")
    figure.supylabel(f"length in {y}", fontsize="medium")
    keys = [Line2D([], [], ls="", marker="o", mew=0, ms=3, color=PART_COLOURS["pool"], label="left by the filters")]
    keys.append(Line2D([], [], ls="", marker="o", mew=0, ms=4, color=PART_COLOURS["chosen"], label="chosen"))
    figure.legend(handles=keys, loc="outside upper right", ncols=2)
    return figure
