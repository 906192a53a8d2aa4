"""How far each arm lies from the main one, paired over problems."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.results import Result, one_by_one, tidy, who
from longcot.figures.style import GREY, ROW, WIDTH, arm_looks, arm_rows, in_order, legend, new_axes
from longcot.metrics.intervals import holm
from longcot.metrics.scores import paired_difference


def differences_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm but the main one: accuracy minus the main arm's, paired over the problems that both have.

    `low` and `high` are the 95% interval, `p_corrected` is `p_value` after Holm's correction for the number of arms.
    An arm that shares no problem with the main one has no row.
    """
    main = next(result for result in results if result.role == "main")
    rows = []
    for result in results:
        shared = {t.problem_id for t in main.traces} & {t.problem_id for t in result.traces}
        if result is not main and shared:
            pair = ([t for t in r.traces if t.problem_id in shared] for r in (main, result))
            rows.append(who(result) | paired_difference(*pair))
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_corrected"] = p_value
    return tidy(rows, ("difference", "low", "high", "p_value", "p_corrected", "n_problems"), results)


def table(results: Sequence[Result]) -> pd.DataFrame:
    """`differences_table` of the arms that are shown one by one; its p-values are corrected for all of `results`."""
    every = differences_table(results)
    return every[every["arm"].isin([result.arm.name for result in one_by_one(results)])]


def draw(table: pd.DataFrame, main_arm: str, order: Sequence[str]) -> Figure:
    """Accuracy of each arm minus the main arm's, paired over problems; arms in `order`."""
    arms = in_order(table, order)
    figure, (axes,) = new_axes(WIDTH, 1.3 + ROW * len(arms))
    looks = arm_looks(arms)
    for y, arm in arms.iterrows():
        interval = [[100 * (arm["difference"] - arm["low"])], [100 * (arm["high"] - arm["difference"])]]
        axes.errorbar(100 * arm["difference"], y, xerr=interval, capsize=2.5, **looks[arm["arm"]])
        p = arm["p_corrected"]
        name = "  p < 0.001" if p < 0.001 else f"  p = {p:.3f}" if p < 0.1 else f"  p = {p:.2f}"
        axes.text(1, y, name, va="center", fontsize=8, transform=axes.get_yaxis_transform())
    axes.text(1, -0.75, "  p, Holm", va="center", fontsize=8, color=GREY, transform=axes.get_yaxis_transform())
    arm_rows(axes, arms)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlabel(f"percentage points of pass@1 above {main_arm}")
    legend(figure, table)
    return figure
