"""What filters made of the pools."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from longcot.curation.filtering import Filtered
from longcot.curation.task import CuratedArm
from longcot.figures.style import PALETTE, PARTS, ROW, WIDTH, _wrapped, new_axes


def filter_fates(table: pd.DataFrame) -> Figure:
    """What became of each set's pool: the share that each filter removed, in order, and what was left.

    From `sets.fates_table`.
    """
    names = list(table["set"].unique())
    figure, (axes,) = new_axes(WIDTH + 1.4, 1.2 + 0.8 * ROW * len(names))
    fates = [fate for fate in dict.fromkeys(table["fate"]) if fate != "left"]
    fates = [fate for fate in fates if table.query("fate == @fate")["traces"].any()]
    colours = dict(zip(fates, (*PALETTE[1:5], PALETTE[0], "#000000", "#999999") * 3, strict=False))
    colours["left"] = PARTS["left"]
    for y, name in enumerate(names):
        start = 0.0
        own = table[table["set"] == name].set_index("fate")
        for fate in ("left", *own.index.drop("left")):
            if share := own.loc[fate, "share"]:
                axes.barh(y, share, left=start, height=0.66, color=colours[fate])
                start += share
        told = f"  {own.loc['left', 'traces']:,} of {own['traces'].sum():,}"
        axes.text(1, y, told, va="center", fontsize=8, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(names)), [_wrapped(name, 44) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("traces of the pool")
    keys = [Line2D([], [], ls="", marker="s", color=colours[fate], label=fate) for fate in ("left", *fates)]
    keys[0].set_label("left, as counted at the right")
    figure.legend(handles=keys, title="removed by, in order" if fates else None, loc="outside lower center", ncols=4)
    return figure


def fates_table(curated: Sequence[CuratedArm]) -> pd.DataFrame:
    """One row a set and fate: how many traces of its pool each filter removed, in order, and how many were `left`.

    What any arm of a set leaves is left. Sets that filter the same traces in the same way are one row, named by the
    first of them with how many more there are. `share` is of the pool.
    """
    ways: dict[str, dict[tuple[str, str, str], Filtered]] = {}
    for one in curated:
        ways.setdefault(one.task.set_name, {})[one.task.pool] = one.filtered
    alike: dict[tuple, list[str]] = {}
    for name, own in ways.items():
        alike.setdefault(tuple(sorted(own)), []).append(name)
    rows = []
    for first, *more in alike.values():
        fates: dict[tuple, str] = {}
        order: dict[str, int] = {}
        for (file, *_), filtered in ways[first].items():
            order |= {label.split(" (")[0]: 0 for label in filtered.removed}
            fates = {(file, *key): label.split(" (")[0] for key, (label, _) in filtered.fates.items()} | fates
            fates |= {(file, *trace.key): "left" for trace in filtered.kept}
        counts = order | {"left": 0}
        for fate in fates.values():
            counts[fate] += 1
        told = f"{first} and {len(more)} more" if more else first
        rows += [
            {"set": told, "fate": fate, "traces": count, "share": count / len(fates)} for fate, count in counts.items()
        ]
    return pd.DataFrame(rows)
