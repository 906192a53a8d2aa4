"""What the figures of several samples a problem share: a score of k samples of each problem, against k."""

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from longcot.figures.results import Result, tidy, who
from longcot.figures.style import WIDTH, arm_legend, arm_looks, new_axes
from longcot.metrics.intervals import mean_interval


def sample_counts(most: int) -> list[int]:
    """The k to look at, up to `most` samples a problem: each up to 8, then powers of two, and `most`."""
    return sorted(
        {k for k in [*range(1, 9), *(2**power for power in range(4, most.bit_length()))] if k <= most} | {most}
    )


def curves_table(results: Sequence[Result], score: Callable[[list[int], list[bool], int], float]) -> pd.DataFrame:
    """One row an arm and k: the mean over problems of a score of each one's answer ids and verdicts.

    `low` and `high` are its 95% interval, the problem being the unit; k goes up to the samples of the problem that has
    fewest. Empty where no arm has several samples a problem.
    """
    rows = []
    for result in results:
        problems: dict[str, list[int]] = {}
        for place, trace in enumerate(result.traces):
            problems.setdefault(trace.problem_id, []).append(place)
        own = [([result.ids[i] for i in ps], [bool(result.traces[i].correct) for i in ps]) for ps in problems.values()]
        samples = [len(ids) for ids, _ in own]
        for k in sample_counts(min(samples)):
            values = [score(ids, correct, k) for ids, correct in own]
            mean, low, high = mean_interval(values, samples)
            rows.append(who(result) | {"k": k, "value": mean, "low": low, "high": high, "n_problems": len(own)})
    several = any(row["k"] > 1 for row in rows)
    return tidy(rows if several else [], ("k", "value", "low", "high", "n_problems"), results)


def draw_curves(table: pd.DataFrame, value: str, k: str) -> Figure:
    """A line an arm with its 95% band, against k; the axes are named by what `value` and `k` are."""
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
    axes.set_xlabel(k)
    axes.set_ylabel(f"{value}, with 95% interval")
    axes.grid(axis="y")
    arm_legend(figure, table)
    return figure
