"""How long the responses of each arm are, by how they ended."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.results import Result, length_unit, tidy, who
from longcot.figures.style import GREY, ROW, WIDTH, arm_rows, in_order, legend, new_axes, source_colours
from longcot.figures.ticks import length_ticks

ENDINGS = {True: "finished", False: "cut off", None: "not stated"}  # by `Trace.finished`

QUANTILES = {"p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and ending of its responses: count `n`, `share` of the arm's, mean and quantiles of the length.

    Lengths are in `unit`: tokens of the arm's model where all traces say them, else words for all arms.
    """
    unit, rows = length_unit(results), []
    for result in results:
        lengths: dict[str, list[int]] = {ending: [] for ending in ENDINGS.values()}
        for trace, words in zip(result.traces, result.words, strict=True):
            length = trace.completion_tokens if unit == "tokens" else words
            lengths[ENDINGS[trace.finished]].append(length)
        for ending, values in lengths.items():
            if values:
                figures = {"n": len(values), "share": len(values) / len(result.traces), "mean": np.mean(values)}
                quantiles = zip(QUANTILES, np.percentile(values, list(QUANTILES.values())), strict=True)
                rows.append(who(result) | {"unit": unit, "ending": ending} | figures | dict(quantiles))
    return tidy(rows, ("unit", "ending", "n", "share", "mean", *QUANTILES), results)


def draw(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Lengths of each arm's responses by how they ended: median, middle half, middle 90%; arms in `order`."""
    arms = in_order(table, order)
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
    length_ticks(axes.xaxis, table[["p5", "p95"]].stack())
    axes.set_xlabel(f"length of a response in {table['unit'].iloc[0]}")
    median = "median, finished" if set(table["ending"]) <= {"finished", "cut off"} else "median"
    ways = [Line2D([], [], ls="", marker="o", color="black", ms=4, label=median)]
    if "cut off" in set(table["ending"]):
        ways.append(Line2D([], [], ls="", marker="x", color=GREY, label="median, cut off"))
    ways.append(Line2D([], [], lw=4, alpha=0.6, color=GREY, label="middle half"))
    ways.append(Line2D([], [], lw=1, color=GREY, label="middle 90%"))
    legend(figure, table, ways, points=False)
    return figure
