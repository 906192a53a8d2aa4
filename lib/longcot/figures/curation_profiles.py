"""Pools of traces compared at equal problems."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import t

from longcot.figures.style import PALETTE, ROW, axis_name, new_panels, varying
from longcot.figures.ticks import few_ticks
from longcot.metrics.intervals import pass_at_1_interval


def table(measured: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """`profile_table` of the pools of each company (`company`, from 0): pools that have traces of the same problems.

    `measured` is of `pool_tables.pools_table`. Empty where no two pools have a problem in common.
    """
    companies = enumerate(shared_problems(measured, "pool"))
    tables = [profile_table(rows, "pool", measures).assign(company=number) for number, rows in companies]
    return pd.concat(tables) if tables else pd.DataFrame()


def shared_problems(table: pd.DataFrame, by: str) -> list[pd.DataFrame]:
    """The rows of problems that the same groups have traces of, for each such company of groups, the largest first.

    So the groups of one company compare at equal problems. Problems of one group alone are left out.
    """
    company = table.groupby("problem_id", sort=False)[by].agg(lambda names: tuple(sorted(set(names))))
    counts = company[company.map(len) > 1].value_counts()
    order = sorted(counts.items(), key=lambda pair: (-len(pair[0]) * pair[1], pair[0]))
    return [
        table[table["problem_id"].isin(company.index[company.map(lambda own, names=names: own == names)])]
        for names, _ in order
    ]


def profile_table(table: pd.DataFrame, by: str, measures: Sequence[str]) -> pd.DataFrame:
    """One row a group and measure: its mean over problems, `low` to `high` the 95% interval, problems counting alike.

    Student's interval over the problems' means, for `correct` that of `intervals.pass_at_1_interval`; NaN where a group
    has one problem. A measure that a group does not have has no row.
    """
    rows = []
    for name, group in table.groupby(by, sort=False, observed=True):
        for measure in measures:
            known = group[group[measure].notna()]
            means = known.groupby("problem_id")[measure].mean()
            if means.empty:
                continue
            half = t.ppf(0.975, len(means) - 1) * means.sem() if len(means) > 1 else float("nan")
            low, high = np.maximum(means.mean() - half, 0), means.mean() + half  # no measure is below 0
            if measure == "correct":
                counts = known.groupby("problem_id")[measure].agg(["sum", "size"])
                low, high = pass_at_1_interval(counts["sum"].tolist(), counts["size"].tolist())
            rows.append({by: name, "measure": measure, "problems": len(means), "mean": means.mean()})
            rows[-1] |= {"low": low, "high": high}
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """The mean of each measure with its 95% interval over problems, a panel each; of the rows of one company."""
    names, measures = list(table["pool"].unique()), varying(table, "mean", "mean")
    figure, panels = new_panels(len(measures), 4, 1.9, 1.0 + 0.75 * ROW * len(names), sharey="row")
    for axes, measure in zip(panels, measures, strict=True):
        for row in table[table["measure"] == measure].to_dict("records"):
            interval = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            place = names.index(row["pool"])
            axes.errorbar(row["mean"], place, xerr=interval, capsize=2, marker="o", ms=4, color=PALETTE[0])
        axes.set_xlim(0, None)
        axes.set_xlabel(axis_name(measure))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        few_ticks(axes.xaxis, measure)
    return figure
