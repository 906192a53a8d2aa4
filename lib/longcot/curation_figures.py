"""The figures of curation: pools of traces, what filters and choices make of them, and what conditions score.

Each is a function from a tidy table to a matplotlib Figure, as in `figures`; what they share is in `style`.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from longcot.style import DASHES, GREY, PALETTE, ROW, WIDTH, new_axes, note


def conditions(table: pd.DataFrame, draws: pd.DataFrame, others: pd.DataFrame) -> Figure:
    """pass@1 of each condition: its draws as points, their mean with 95% interval over draws and problems.

    From `conditions.condition_table`, `conditions.draws_table` and, for lines to compare with, `tables.arms_table`.
    """
    if table.empty:
        return note("No arm of this study shows a condition.")
    figure, (axes,) = new_axes(WIDTH + 0.6, 1.1 + 0.8 * ROW * (len(table) + table["property"].nunique()))
    ticks, y = {}, 0
    for name, rows in table.groupby("property", sort=False):
        axes.text(0, y + 0.1, f"{name} ", va="center", ha="right", weight="bold", transform=axes.get_yaxis_transform())
        for row in rows.itertuples():
            y += 1
            ticks[y] = f"{row.value} ({row.n_draws})"
            own = draws.query("property == @name and value == @row.value")["pass_at_1"]
            axes.plot(own, [y + 0.2] * len(own), ls="", marker="|", ms=6, color=GREY, alpha=0.8)
            interval = [[row.pass_at_1 - row.pass_at_1_low], [row.pass_at_1_high - row.pass_at_1]]
            axes.errorbar(row.pass_at_1, y - 0.15, xerr=interval, capsize=2.5, marker="o", ms=4.5, color=PALETTE[0])
        y += 1
    lines = [
        axes.axvline(arm.pass_at_1, color=GREY, lw=0.9, ls=DASHES[1 + i % 3], label=str(arm.arm), zorder=0)
        for i, arm in enumerate(others.itertuples())
    ]
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(y - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-0.01, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("pass@1, with 95% interval over draws and problems")
    axes.grid(axis="x")
    keys = [Line2D([], [], color=PALETTE[0], marker="o", ms=4.5, label="mean (of so many draws)")]
    keys.append(Line2D([], [], color=GREY, marker="|", ls="", label="one draw"))
    figure.legend(handles=[*keys, *lines], loc="outside lower center", ncols=4, handlelength=2.4)
    return figure
