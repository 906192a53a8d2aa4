"""What filters made of the pools."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.curation.filtering import Filtered
from longcot.curation.task import CuratedArm
from longcot.figures.style import PALETTE, PART_COLOURS, ROW, WIDTH, new_axes, wrapped
from longcot.figures.ticks import in_percent


def table(curated: Sequence[CuratedArm]) -> pd.DataFrame:
    """One row a set and outcome (`fate`): the traces of its pool that each filter removed, in order, and those `left`.

    What any arm of a set leaves is left. Sets that filter the same traces in the same way are one row, named by the
    first of them with how many more there are. `share` is of the pool.
    """
    ways: dict[str, dict[tuple[str, str, str], Filtered]] = {}
    for one in (part for arm in curated for part in arm.parts):
        ways.setdefault(one.task.set_name, {})[one.task.pool] = one.filtered
    alike: dict[tuple, list[str]] = {}
    for name, own in ways.items():
        alike.setdefault(tuple(sorted(own)), []).append(name)
    rows = []
    for first, *more in alike.values():
        outcomes: dict[tuple, str] = {}
        order: dict[str, int] = {}
        for (file, *_), filtered in ways[first].items():
            order |= {label.split(" (")[0]: 0 for label in filtered.removed}
            removed = {(file, *key): label.split(" (")[0] for key, (label, _) in filtered.outcomes.items()}
            outcomes = removed | outcomes | {(file, *trace.key): "left" for trace in filtered.kept}
        counts = order | {"left": 0}
        for outcome in outcomes.values():
            counts[outcome] += 1
        name = f"{first} and {len(more)} more" if more else first
        rows += [
            {"set": name, "fate": outcome, "traces": count, "share": count / len(outcomes)}
            for outcome, count in counts.items()
        ]
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """What became of each set's pool: the share that each filter removed, in order, and what was left."""
    names = list(table["set"].unique())
    figure, (axes,) = new_axes(WIDTH + 1.4, 1.2 + 0.8 * ROW * len(names))
    filters = list(dict.fromkeys(table.loc[(table["fate"] != "left") & (table["traces"] > 0), "fate"]))
    colours = dict(zip(filters, (*PALETTE[1:5], PALETTE[0], "#000000", "#999999") * 3, strict=False))
    colours["left"] = PART_COLOURS["left"]
    for y, name in enumerate(names):
        start = 0.0
        own = table[table["set"] == name].set_index("fate")
        for outcome in ("left", *own.index.drop("left")):
            if share := own.loc[outcome, "share"]:
                axes.barh(y, share, left=start, height=0.66, color=colours[outcome])
                start += share
        count = f"  {own.loc['left', 'traces']:,} of {own['traces'].sum():,}"
        axes.text(1, y, count, va="center", fontsize=8, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(names)), [wrapped(name, 44) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0)
    in_percent(axes.xaxis)
    axes.set_xlabel("traces of the pool")
    keys = [Line2D([], [], ls="", marker="s", color=colours[name], label=name) for name in ("left", *filters)]
    keys[0].set_label("left, as counted at the right")
    figure.legend(handles=keys, title="removed by, in order" if filters else None, loc="outside lower center", ncols=4)
    return figure
