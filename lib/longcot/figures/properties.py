"""The figures of properties: what arms that differ in a property of their traces score."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from longcot.figures.style import DASHES, GREY, MARKERS, PALETTE, ROW, WIDTH, new_axes, new_panels, note

MEASURES = {  # of a training set: how an axis says it
    "mean_length": "mean length, {unit}",
    "base_pass_rate": "base's pass rate on its problems",
    "level": "mean level of its problems",
    "distance": "mean distance of its traces",
}


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


def accuracy_by_property(table: pd.DataFrame) -> Figure:
    """pass@1 of each arm against what its training set is like, a panel a measure and a point an arm.

    Only arms of the number of traces that most have: accuracy goes by that first. From `tables.properties_table`.
    """
    usual = table["n_train"].mode()
    table = table[table["n_train"] == (usual.iloc[0] if len(usual) else 0)]
    names = [name for name in MEASURES if table[name].nunique() > 1]
    if len(table) < 3 or not names:
        return note("Fewer than three arms are fine-tuned on equally many traces that differ in anything.")
    figure, panels = new_panels(len(names), 2, 0.5 * (WIDTH + 0.4), 2.3, sharey="all")
    groups = list(table["varied"].unique())
    looks = {}
    for i, name in enumerate(groups):
        colour = (*PALETTE, GREY, "#000000")[i % (len(PALETTE) + 2)]
        looks[name] = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 4.5, "alpha": 0.75}
    for axes, name in zip(panels, names, strict=True):
        for group, own in table.groupby("varied", sort=False):
            axes.plot(own[name], own["pass_at_1"], **looks[group])
        axes.set_xlabel(MEASURES[name].format(unit=table["unit"].iloc[0]))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(-0.03, 1.03)
        axes.grid()
    if "base_pass_rate" in names:
        panels[names.index("base_pass_rate")].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.supylabel("pass@1", fontsize="medium")
    figure.suptitle(f"arms of {usual.iloc[0]} traces, a point each", fontsize="medium")
    keys = [Line2D([], [], label=name, **looks[name]) for name in groups]
    title = "varied:" if table["by_condition"].iloc[0] else None
    figure.legend(handles=keys, title=title, loc="outside lower center", ncols=3 if len(keys) != 4 else 2)
    return figure
