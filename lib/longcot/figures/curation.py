"""The figures of curation: pools of traces, and what filters and choices make of them."""

import textwrap

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from longcot.figures.style import PALETTE, ROW, WIDTH, new_axes, new_panels
from longcot.properties import UNITS

# What a set's traces are drawn in: all of its pool, what its filters left, what it took
PARTS = {"pool": "#b0b0b0", "left": PALETTE[5], "chosen": PALETTE[1]}
SHARES = ("correct", "repeated_4grams", "second_script", "base_pass_rate")  # measures that are fractions of 1


def _ticks(axis: Axis, measure: str) -> None:
    """Few ticks, as suit a measure: shares in percent."""
    axis.set_major_locator(MaxNLocator(3))
    if measure in SHARES:
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _length_ticks(axis: Axis, lengths: pd.Series) -> None:
    """A few round lengths on a logarithmic scale, those between the least and the greatest."""
    low, high = lengths.min(), lengths.max()
    for steps in ((1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [step * 10**power for power in range(7) for step in steps if low <= step * 10**power <= high]
        if len(ticks) > 1:
            break
    axis.set_major_locator(FixedLocator(ticks or [low, high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda n, _: f"{n / 1000:g}k" if n >= 1000 else f"{n:g}"))


def _varying(table: pd.DataFrame, low: str, high: str) -> list[str]:
    """The measures in which there is something to be seen: not those with one value throughout."""
    return [name for name, rows in table.groupby("measure", sort=False) if rows[low].min() < rows[high].max()]


def _wrapped(name: str, width: int = 32) -> str:
    return "\n".join(textwrap.wrap(name, width))


def _told(measure: str) -> str:
    """A measure's name for an axis, in two lines where it is long."""
    words = measure.replace("_per_", "\nper ").replace("_", " ")
    return words.replace("4grams", "4-grams")


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


def profiles(table: pd.DataFrame, by: str) -> Figure:
    """Groups compared at equal problems: the mean of each measure with its 95% interval over problems, a panel each.

    From `analysis.profile_table`.
    """
    names, measures = list(table[by].unique()), _varying(table, "mean", "mean")
    figure, panels = new_panels(len(measures), 4, 1.9, 1.0 + 0.75 * ROW * len(names), sharey="row")
    for axes, measure in zip(panels, measures, strict=True):
        for row in table[table["measure"] == measure].to_dict("records"):
            interval = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            place = names.index(row[by])
            axes.errorbar(row["mean"], place, xerr=interval, capsize=2, marker="o", ms=4, color=PALETTE[0])
        axes.set_xlim(0, None)
        axes.set_xlabel(_told(measure))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        _ticks(axes.xaxis, measure)
    return figure
