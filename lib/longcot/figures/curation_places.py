"""Where the chosen traces lie among all that were left."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.style import PARTS, _length_ticks, _told, _wrapped, new_panels


def places(table: pd.DataFrame, x: str, y: str) -> Figure:
    """Where the chosen lie among all that were left, a panel a set: length against level, pass rate or the like.

    Of a set of several arms the first one's choice. `table` has `set, part, arm`, a column of the name `x`, by whose
    values points stand side by side, and one of the name `y`. From `sets.members_table` and `analysis.pools_table`.
    """
    known = table[x].notna()
    values = [*sorted(table.loc[known, x].unique()), *([] if known.all() else ["?"])]
    table = table.assign(at=table[x].where(known, "?").map(values.index).astype(float))
    names = list(table["set"].unique())
    figure, panels = new_panels(len(names), 4, 1.75, 1.6, sharex="all", sharey="all")
    looks = {"left": {"ms": 1.6, "alpha": 0.5, "color": PARTS["pool"]}, "chosen": {"ms": 3.2, "color": PARTS["chosen"]}}
    for axes, name in zip(panels, names, strict=True):
        for part, look in looks.items():
            own = table[(table["set"] == name) & (table["part"] == part)]
            own = own[own["arm"] == own["arm"].iloc[0]] if len(own) else own
            shift = (own.groupby("at").cumcount() * 0.618) % 1 - 0.5  # side by side, the same each time
            axes.plot(own["at"] + 0.7 * shift, own[y], ls="", marker="o", mew=0, **look)
        axes.set_title(_wrapped(name, 22), fontsize=8)
        axes.set_yscale("log")
        _length_ticks(axes.yaxis, table[y])
        axes.set_xticks(range(len(values)), [f"{v:.2g}" if isinstance(v, float) else v for v in values])
        axes.tick_params(labelsize=7.5)
    for axes in panels[-4:]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supxlabel(_told(x), fontsize="medium")
    figure.supylabel(f"length in {y}", fontsize="medium")
    keys = [Line2D([], [], ls="", marker="o", mew=0, ms=3, color=PARTS["pool"], label="left by the filters")]
    keys.append(Line2D([], [], ls="", marker="o", mew=0, ms=4, color=PARTS["chosen"], label="chosen"))
    figure.legend(handles=keys, loc="outside upper right", ncols=2)
    return figure
