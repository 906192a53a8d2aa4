"""The figures of responses: how long they are and how they end, and which behaviours they show."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from longcot.figures.style import GREY, ROW, WIDTH, arm_rows, label, legend, new_axes, note, source_colours


def response_lengths(table: pd.DataFrame) -> Figure:
    """Lengths of each arm's responses by how they ended: median, middle half, middle 90%. `tables.lengths_table`."""
    arms = table.drop_duplicates("arm").reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + 1.1 * ROW * len(arms))
    colours = source_colours(table)
    for y, arm in arms.iterrows():
        for _, row in table[table["arm"] == arm["arm"]].iterrows():
            cut, colour = row["ending"] == "cut off", colours[arm["source"]]
            at = y + (0.22 if cut else -0.12)
            axes.plot([row["p5"], row["p95"]], [at, at], color=colour, lw=1, ls=":" if cut else "-")
            axes.plot([row["p25"], row["p75"]], [at, at], color=colour, lw=4, alpha=0.6, solid_capstyle="butt")
            middle = {"marker": "x", "color": colour} if cut else {"marker": "o", "color": "black", "ms": 4}
            axes.plot(row["p50"], at, zorder=4, **middle)
            if cut:
                name = f"  {row['share']:.0%} cut off" if row["share"] >= 0.005 else "  < 1% cut off"
                axes.text(1, at, name, va="center", fontsize=8, color=GREY, transform=axes.get_yaxis_transform())
    arm_rows(axes, arms)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(f"length of a response in {table['unit'].iloc[0]}")
    median = "median, finished" if set(table["ending"]) <= {"finished", "cut off"} else "median"
    ways = [Line2D([], [], ls="", marker="o", color="black", ms=4, label=median)]
    if "cut off" in set(table["ending"]):
        ways.append(Line2D([], [], ls="", marker="x", color=GREY, label="median, cut off"))
    ways.append(Line2D([], [], lw=4, alpha=0.6, color=GREY, label="middle half"))
    ways.append(Line2D([], [], lw=1, color=GREY, label="middle 90%"))
    legend(figure, table, ways, points=False)
    return figure


def behaviours(table: pd.DataFrame) -> Figure:
    """Behaviours found in the responses of each arm, for each 1,000 of their length. From `tables.behaviours_table`.

    Shades go by column, since some behaviours are far more common than others.
    """
    if not table["rate"].any():
        return note("No response of this study shows any of the behaviours that are looked for.")
    arms, colours = table.drop_duplicates("arm").reset_index(drop=True), source_colours(table)
    names = list(table["behaviour"].unique())
    grid = table.pivot(index="arm", columns="behaviour", values="rate").loc[arms["arm"], names]
    figure, (axes,) = new_axes(WIDTH, 1.9 + 0.9 * ROW * len(arms))
    shades = 100 * grid / grid.max().where(grid.max() > 0, 1)
    numbers = grid.map(lambda rate: f"{rate:.2f}" if 0 < rate < 0.95 else f"{rate:.1f}" if rate < 10 else f"{rate:.0f}")
    told = {"annot": numbers.where(grid > 0, "0"), "fmt": "", "annot_kws": {"size": 8, "color": "black"}}
    tones = {"cmap": "Greys", "vmin": 0, "vmax": 170, "cbar": False, "linewidths": 0.5}  # light, for black numbers
    sns.heatmap(shades, ax=axes, **told, **tones)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="both", length=0)
    told = [name.replace(" of ", " of\n").replace("l s", "l\ns").replace("d c", "d\nc") for name in names]
    axes.set_xticks([i + 0.5 for i in range(len(names))], told, rotation=90)
    axes.set_yticks([i + 0.5 for i in arms.index], [label(arm) for _, arm in arms.iterrows()], rotation=0)
    for tick, source in zip(axes.get_yticklabels(), arms["source"], strict=True):
        tick.set_color(colours[source])
    figure.suptitle(f"behaviours in 1,000 {table['unit'].iloc[0]} of responses", fontsize="medium")
    return figure
