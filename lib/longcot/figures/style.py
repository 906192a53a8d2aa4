"""One style for all figures.

An arm looks the same everywhere. Its colour is that of the source of its traces, the lighter the fewer traces it is
fine-tuned on; its marker goes by its place in the study, and is filled if the arm is fine-tuned on counted traces, else
hollow. A study has too many arms for a colour each that everybody could tell apart; sources are few. Their colours are
those of Okabe and Ito, which colour-blind readers can tell apart.
"""

import textwrap
from collections.abc import Sequence
from math import log

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

WIDTH = 5.2  # inches: text stays readable when a figure is printed at half a page's width
ROW = 0.3  # inches for an arm in a figure with a line an arm
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
GREY = "#595959"  # arms of no source, the main one among them
DASHES = ("-", "--", "-.", ":")
LIGHTEST, MOST = 0.45, 100  # how much of its source's colour is left to an arm of 1 trace; traces that have all of it

plt.rcParams.update(
    {
        "figure.dpi": 160,
        "savefig.dpi": 200,
        "figure.constrained_layout.use": True,
        "font.size": 9.5,
        "legend.fontsize": 8.5,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "lines.markersize": 6,
        "axes.formatter.useoffset": False,  # a label is the whole number
        "axes.formatter.limits": (-9, 9),
        "pdf.fonttype": 42,  # letters, not outlines
        "text.parse_math": False,  # a name with dollars is a name
    }
)


def new_axes(
    width: float, height: float, columns: Sequence[float] = (1,), sharey: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes side by side, closed for pyplot so that a notebook shows it once."""
    figure, axes = plt.subplots(
        1, len(columns), figsize=(width, height), squeeze=False, sharey=sharey, width_ratios=columns
    )
    plt.close(figure)
    return figure, list(axes[0])


def new_panels(count: int, columns: int, width: float, height: float, **shared: str) -> tuple[Figure, list[Axes]]:
    """A figure of `count` axes in rows of `columns`, each of a size in inches, closed for pyplot."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **shared)
    plt.close(figure)
    for spare in axes.flat[count:]:
        spare.set_axis_off()
    return figure, list(axes.flat[:count])


def source_colours(table: pd.DataFrame) -> dict[str, str]:
    """The colour of each source, by its place among the study's sources."""
    sources = [source for source in table["source"].astype("category").cat.categories if source]
    return {source: PALETTE[i % len(PALETTE)] for i, source in enumerate(sources)} | {"": GREY}


def arm_looks(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Colour, marker and filling of each arm of a table that begins with `results.WHO`.

    They depend on the arm and on its place in the study, and not on which other arms the table shows.
    """
    places, colours, looks = table["arm"].astype("category").cat.categories, source_colours(table), {}
    for _, arm in table.drop_duplicates("arm").iterrows():
        colour, tuned = colours[arm["source"]], arm["role"] == "fine-tuned"
        if tuned:
            left = LIGHTEST + (1 - LIGHTEST) * min(1.0, log(arm["n_train"]) / log(MOST))
            colour = to_hex([1 - left * (1 - part) for part in to_rgb(colour)])
        marker = MARKERS[places.get_loc(arm["arm"]) % len(MARKERS)]
        looks[arm["arm"]] = {"color": colour, "marker": marker, "markerfacecolor": colour if tuned else "white"}
    return looks


def in_order(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The first row of each arm of a table, in the order of `order`, which has all of them; numbered from 0."""
    arms = table.drop_duplicates("arm").set_index("arm", drop=False)
    return arms.loc[[name for name in order if name in arms.index]].reset_index(drop=True)


def label(arm: pd.Series) -> str:
    """An arm's name, with the number of traces it is fine-tuned on."""
    return f"{arm['arm']} (n = {arm['n_train']})" if arm["n_train"] else str(arm["arm"])


def legend(figure: Figure, table: pd.DataFrame, more: Sequence[Line2D] = (), points: bool = True) -> None:
    """Below the figure: the colours of the table's sources, what filled and hollow mean, and `more`."""
    colours, used = source_colours(table), set(table["source"])
    keys = [
        Line2D([], [], ls="", marker="s", color=colour, label=f"{name} traces")
        for name, colour in colours.items()
        if name in used and name
    ]
    if points and "fine-tuned" in set(table["role"]):
        plain = {"ls": "", "marker": "o", "color": GREY}
        keys.append(Line2D([], [], label="fine-tuned on n traces", **plain))
        keys.append(Line2D([], [], markerfacecolor="white", label="not fine-tuned here", **plain))
    keys += more
    if keys:
        figure.legend(
            handles=keys, loc="outside lower center", ncols=2 if len(keys) in (2, 4) else 3, columnspacing=1.4
        )


def arm_rows(axes: Axes, arms: pd.DataFrame) -> None:
    """One line an arm, the first at the top, each named in its source's colour."""
    colours = source_colours(arms)
    axes.set_yticks(range(len(arms)), [label(arm) for _, arm in arms.iterrows()])
    for tick, (_, arm) in zip(axes.get_yticklabels(), arms.iterrows(), strict=True):
        tick.set_color(colours[arm["source"]])
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


# The colours of a set's traces: all of its pool, what its filters left, what it took
PART_COLOURS = {"pool": "#b0b0b0", "left": PALETTE[5], "chosen": PALETTE[1]}


def varying(table: pd.DataFrame, low: str, high: str) -> list[str]:
    """The measures in which there is something to be seen: not those with one value throughout, unless all have one."""
    measures = dict(iter(table.groupby("measure", sort=False)))
    return [name for name, rows in measures.items() if rows[low].min() < rows[high].max()] or list(measures)


def wrapped(name: str, width: int = 32) -> str:
    """A name in lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(name, width))


def axis_name(measure: str) -> str:
    """A measure's name for an axis, in two lines where it is long."""
    words = measure.replace("_per_", "\nper ").replace("_", " ")
    return words.replace("4grams", "4-grams")
