"""What the figures of several samples a problem share: a score of k samples of each problem, against k."""

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from longcot.figures.lines import BAND, MOST, end_labels
from longcot.figures.results import Result, tidy, who
from longcot.figures.style import WIDTH, arm_looks, new_axes, source_colours
from longcot.figures.ticks import in_percent, plain
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
    """A line an arm with its 95% band, against k, named at its end; the axes are named by what `value` and `k` are.

    Of more arms than can be named, a line is the median of those of one source and number of traces, its band the
    middle 80% of them.
    """
    looks, colours, count = arm_looks(table), source_colours(table), table["arm"].nunique()
    lines = dict(iter(table.groupby("arm", observed=True, sort=False)))
    if count > MOST:
        lines = _bundles(table)
    height = max(3.7, 1.2 + 0.15 * len(lines))
    figure, (axes,) = new_axes(WIDTH + 0.6, height)
    ends = {}
    for name, own in lines.items():
        look = looks[own["arm"].iloc[0]]
        axes.fill_between(own["k"], own["low"], own["high"], color=look["color"], alpha=0.12, lw=0)
        axes.plot(own["k"], own["value"], lw=1.2, ms=5, clip_on=False, **look)
        ends[str(name)] = (own["value"].iloc[-1], colours[own["source"].iloc[0]])
    counts = sorted(table["k"].unique())
    axes.set_xscale("log")
    axes.set_xlim(counts[0] * 0.96, counts[-1])
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    plain(axes.xaxis)
    axes.set_ylim(0, min(1.02, 1.05 * table["high"].max()) or 1)
    in_percent(axes.yaxis)
    axes.set_xlabel(k)
    axes.set_ylabel(f"{value}, {'median and middle 80% of arms' if count > MOST else 'with 95% interval'}")
    axes.grid(axis="y")
    end_labels(axes, height, ends)
    return figure


def _bundles(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The arms of one role, source and number of traces together: the median at each k, and their middle 80%."""
    found = {}
    for (role, source, n), own in table.groupby(["role", "source", "n_train"], observed=True, sort=False):
        arms = own["arm"].unique()
        traces = f"{source}, n = {n}" if n else f"{source or role}"
        name = arms[0] if len(arms) == 1 else f"{traces} ({len(arms)} arms)"
        values = own.groupby("k")["value"].quantile([BAND[0], 0.5, BAND[1]]).unstack()
        values.columns = ["low", "value", "high"]
        found[name] = values.reset_index().assign(arm=arms[0], source=source)
    return found
