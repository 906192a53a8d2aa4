"""Arms ranked by pass@1."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.results import SCORES, Result, tidy, who
from longcot.figures.style import ROW, WIDTH, arm_looks, arm_rows, legend, new_axes
from longcot.figures.ticks import in_percent


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm: `WHO`, `model` and `SCORES`, over the whole benchmark (see `metrics.score_arm`)."""
    return tidy([who(r) | {"model": r.arm.model} | r.scores for r in results], ("model", *SCORES), results)


def draw(table: pd.DataFrame) -> Figure:
    """Arms by pass@1 with its 95% interval, and their majority vote.

    Dotted lines, where arms are fine-tuned: other models than the main arm's, the teachers among them.
    """
    arms = table.sort_values("pass_at_1", ascending=False, kind="stable").reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + ROW * len(arms))
    looks, vote = arm_looks(arms), {"marker": "x", "color": "black", "markersize": 5}
    tuned, own = (arms["role"] == "fine-tuned").any(), set(arms.loc[arms["role"] == "main", "model"])
    for y, arm in arms.iterrows():
        look = looks[arm["arm"]]
        interval = [[arm["pass_at_1"] - arm["pass_at_1_low"]], [arm["pass_at_1_high"] - arm["pass_at_1"]]]
        axes.errorbar(arm["pass_at_1"], y - 0.1, xerr=interval, capsize=2.5, **look)
        if arm["k"] > 1:
            axes.plot(arm["maj_at_k"], y + 0.22, **vote)
        if tuned and arm["role"] == "reference" and arm["model"] not in own:
            axes.axvline(arm["pass_at_1"], color=look["color"], lw=0.9, ls=":", zorder=0)
    arm_rows(axes, arms)
    axes.set_xlim(0, min(1.02, max(0.1, 1.08 * arms[["pass_at_1_high", "maj_at_k"]].max().max())))
    in_percent(axes.xaxis)
    axes.set_xlabel("pass@1, with 95% interval over problems")
    most = arms["k"].max()
    name = f"majority of {most}" if arms["k"].nunique() == 1 else "majority vote"
    legend(figure, table, [Line2D([], [], ls="", label=name, **vote)] if most > 1 else [])
    return figure
