"""The figures of several samples a problem: at least one right, and votes, against how many samples there are."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from longcot.figures.style import WIDTH, arm_legend, arm_looks, new_axes, note


def _curves(table: pd.DataFrame, told: str, among: str, what: str) -> Figure:
    """A line an arm with its 95% band, against k."""
    if table["k"].max() < 2:
        return note(f"One sample a problem: {what} needs more than one.")
    figure, (axes,) = new_axes(WIDTH, 3.9)
    looks = arm_looks(table)
    for arm, own in table.groupby("arm", observed=True, sort=False):
        look = looks[arm]
        axes.fill_between(own["k"], own["low"], own["high"], color=look["color"], alpha=0.12, lw=0)
        axes.plot(own["k"], own["value"], lw=1.2, ms=5, **look)
    counts = sorted(table["k"].unique())
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, min(1.02, 1.05 * table["high"].max()))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(among)
    axes.set_ylabel(f"{told}, with 95% interval")
    axes.grid(axis="y")
    arm_legend(figure, table)
    return figure


def pass_at_k(table: pd.DataFrame) -> Figure:
    """The chance that at least one of k samples is right, against k. From `tables.pass_at_k_table`."""
    return _curves(table, "pass@k", "k, samples of a problem", "pass@k")


def votes(table: pd.DataFrame) -> Figure:
    """The chance that a majority vote over k samples is right, against k. From `tables.votes_table`."""
    return _curves(table, "majority right", "k, samples voted over", "a vote")
