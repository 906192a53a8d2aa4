"""One style for all figures.

A source of traces has one colour and one marker everywhere; arms fine-tuned on counted traces are filled, all others
hollow. The colours are those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

WIDTH = 5.2  # inches: text stays readable when a figure is printed at half a page's width
ROW = 0.3  # inches for an arm in a figure with a line an arm
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "v", "P")
GREY = "#595959"  # arms of no source, the main one among them
DASHES = ("-", "--", "-.", ":")

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


def note(text: str) -> Figure:
    """What stands in a figure's place where a study has nothing to draw."""
    figure, (axes,) = new_axes(WIDTH, 0.6)
    axes.set_axis_off()
    axes.text(0, 0.5, text, va="center", color=GREY, transform=axes.transAxes)
    return figure


def source_looks(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Colour and marker of each source, by its place among the study's sources."""
    sources = table["source"].astype("category").cat.categories
    looks = {
        source: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)]}
        for i, source in enumerate(source for source in sources if source)
    }
    return looks | {"": {"color": GREY, "marker": "D"}}


def point(looks: dict[str, dict[str, str]], arm: pd.Series) -> dict[str, str]:
    """How an arm's point looks: hollow unless it is fine-tuned on counted traces."""
    look = looks[arm["source"]]
    return look | {"markerfacecolor": look["color"] if arm["role"] == "fine-tuned" else "white"}


def label(arm: pd.Series) -> str:
    """An arm's name, with the number of traces it is fine-tuned on."""
    return f"{arm['arm']} (n = {arm['n_train']})" if arm["n_train"] else str(arm["arm"])


def legend(figure: Figure, table: pd.DataFrame, more: Sequence[Line2D] = (), points: bool = True) -> None:
    """Below the figure: the table's sources, what filled and hollow mean, and `more`."""
    looks, used = source_looks(table), set(table["source"])
    keys = [
        Line2D([], [], ls="", label=f"{name} traces", **look) for name, look in looks.items() if name in used and name
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
    looks = source_looks(arms)
    axes.set_yticks(range(len(arms)), [label(arm) for _, arm in arms.iterrows()])
    for tick, (_, arm) in zip(axes.get_yticklabels(), arms.iterrows(), strict=True):
        tick.set_color(looks[arm["source"]]["color"])
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
