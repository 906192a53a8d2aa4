"""The figures of scores: arms ranked, against the number of traces, by part of the benchmark, and apart from one."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from longcot.figures.style import (
    DASHES,
    GREY,
    ROW,
    WIDTH,
    arm_looks,
    arm_rows,
    label,
    legend,
    new_axes,
    note,
    source_colours,
)


def _bar(arm: pd.Series, value: str = "pass_at_1", low: str = "pass_at_1_low", high: str = "pass_at_1_high") -> list:
    """An arm's interval as matplotlib takes error bars."""
    return [[arm[value] - arm[low]], [arm[high] - arm[value]]]


def ranked_arms(table: pd.DataFrame) -> Figure:
    """Arms by pass@1 with its 95% interval, and their majority vote. From `tables.arms_table`.

    Dotted lines, where arms are fine-tuned: other models than the main arm's, the teachers among them.
    """
    arms = table.sort_values("pass_at_1", ascending=False, kind="stable").reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + ROW * len(arms))
    looks, vote = arm_looks(arms), {"marker": "x", "color": "black", "markersize": 5}
    tuned, own = (arms["role"] == "fine-tuned").any(), set(arms.loc[arms["role"] == "main", "model"])
    for y, arm in arms.iterrows():
        look = looks[arm["arm"]]
        axes.errorbar(arm["pass_at_1"], y - 0.1, xerr=_bar(arm), capsize=2.5, **look)
        if arm["k"] > 1:
            axes.plot(arm["maj_at_k"], y + 0.22, **vote)
        if tuned and arm["role"] == "reference" and arm["model"] not in own:
            axes.axvline(arm["pass_at_1"], color=look["color"], lw=0.9, ls=":", zorder=0)
    arm_rows(axes, arms)
    axes.set_xlim(0, min(1.02, max(0.1, 1.08 * arms[["pass_at_1_high", "maj_at_k"]].max().max())))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("pass@1, with 95% interval over problems")
    most = arms["k"].max()
    name = f"majority of {most}" if arms["k"].nunique() == 1 else "majority vote"
    legend(figure, table, [Line2D([], [], ls="", label=name, **vote)] if most > 1 else [])
    return figure


def accuracy_by_traces(table: pd.DataFrame) -> Figure:
    """pass@1 against the number of training traces: each draw a point, the means a line, their 95% interval a band.

    At 0 the main arm. Dashed lines: arms that are not fine-tuned here. From `tables.by_traces_table`.
    """
    tuned, colours, looks = table[table["role"] == "fine-tuned"], source_colours(table), arm_looks(table)
    if tuned.empty:
        return note("No arm that is shown by itself is fine-tuned on a counted number of traces.")
    figure, (axes,) = new_axes(WIDTH, 3.6)
    main = table[table["role"] == "main"].iloc[0]
    for source, arms in tuned.groupby("source", observed=True):
        means = arms.drop_duplicates("n_train").sort_values("n_train")
        at = [0, *means["n_train"]]
        band = [[main[f"pass_at_1{end}"], *means[f"mean{end}"]] for end in ("_low", "_high")]
        axes.fill_between(at, *band, color=colours[source], alpha=0.15, lw=0)
        axes.plot(at, [main["pass_at_1"], *means["mean"]], color=colours[source], lw=1.2)
        for n, draws in arms.groupby("n_train"):
            for i, (_, arm) in enumerate(draws.iterrows()):
                place = n * (1 + 0.08 * (i - (len(draws) - 1) / 2))  # draws of one n side by side
                axes.plot(place, arm["pass_at_1"], ls="", **looks[arm["arm"]])
    axes.plot(0, main["pass_at_1"], ls="", **looks[main["arm"]])
    others, levels = table[table["role"] == "reference"], []
    for i, (_, arm) in enumerate(others.iterrows()):
        look = {"color": colours[arm["source"]], "ls": DASHES[1 + i % 3], "lw": 1.2}
        axes.axhline(arm["pass_at_1"], zorder=0, **look)
        levels.append(Line2D([], [], label=str(arm["arm"]), **look))
    counts = sorted(tuned["n_train"].unique())
    axes.set_xscale("symlog", linthresh=counts[0], linscale=0.5)
    axes.xaxis.set_major_locator(FixedLocator([0, *counts]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(-0.3 * counts[0], counts[-1] * 1.25)
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"training traces (0: {main['arm']})")
    axes.set_ylabel("pass@1, mean with 95% interval")
    axes.grid(axis="y")
    legend(figure, tuned, levels, points=False)
    return figure


def accuracy_by_part(table: pd.DataFrame) -> Figure:
    """pass@1 in percent of each arm on each part of the benchmark. From `tables.breakdown_table`."""
    if table.empty:
        return note("The problems of this study state no subset, level or subject.")
    arms, colours = table.drop_duplicates("arm").reset_index(drop=True), source_colours(table)
    parts = {by: rows["value"].unique() for by, rows in table.groupby("by", sort=False)}
    count, longest = sum(map(len, parts.values())), max(len(name) for values in parts.values() for name in values)
    figure, panels = new_axes(
        max(WIDTH, 1.7 + 0.32 * count),
        1.0 + 0.9 * ROW * len(arms) + 0.07 * longest,
        [len(values) for values in parts.values()],
    )
    for axes, (by, values) in zip(panels, parts.items(), strict=True):
        grid = table[table["by"] == by].pivot(index="arm", columns="value", values="pass_at_1") * 100
        numbers = {"annot": True, "fmt": ".0f", "annot_kws": {"size": 8, "color": "black"}}
        tones = {"cmap": "Greys", "vmin": 0, "vmax": 170, "cbar": False, "linewidths": 0.5}  # light, for black numbers
        sns.heatmap(grid.loc[arms["arm"], values], ax=axes, **numbers, **tones)
        axes.set(xlabel=by, ylabel="")
        axes.tick_params(axis="both", length=0)
        axes.tick_params(axis="x", rotation=90 if max(map(len, values)) > 2 else 0)
    panels[0].set_yticks([i + 0.5 for i in arms.index], [label(arm) for _, arm in arms.iterrows()], rotation=0)
    for tick, source in zip(panels[0].get_yticklabels(), arms["source"], strict=True):
        tick.set_color(colours[source])
    figure.suptitle("pass@1, percent", fontsize="medium")
    return figure


def differences(table: pd.DataFrame, main_arm: str) -> Figure:
    """Accuracy of each arm minus the main arm's, paired over problems. From `tables.differences_table`."""
    if table.empty:
        return note(f"No arm shares a problem with {main_arm}.")
    arms = table.reset_index(drop=True)
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
