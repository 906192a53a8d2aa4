"""The figures: each a function from a tidy table (see `tables`) to a matplotlib Figure. To change one, edit it.

What they share, colours and legends, is in `style`.
"""

from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, PercentFormatter

from longcot.files import write_table
from longcot.style import (
    DASHES,
    GREY,
    PALETTE,
    ROW,
    WIDTH,
    arm_rows,
    label,
    legend,
    new_axes,
    note,
    point,
    source_looks,
)


def save_figure(figure: Figure, table: pd.DataFrame, stem: str | Path) -> Figure:
    """Write `<stem>.pdf`, `<stem>.png` and, from its table, `<stem>.csv`; gives the figure back to be shown."""
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(stem.with_name(stem.name + ".pdf"), metadata={"CreationDate": None})
    figure.savefig(stem.with_name(stem.name + ".png"), metadata={"Software": None})
    write_table(stem.with_name(stem.name + ".csv"), table)
    return figure


def ranked_arms(table: pd.DataFrame) -> Figure:
    """Arms by pass@1 with its 95% interval, and their majority vote. From `tables.arms_table`."""
    arms = table.sort_values("pass_at_1", ascending=False, kind="stable").reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + ROW * len(arms))
    looks, vote = source_looks(arms), {"marker": "x", "color": "black", "markersize": 5}
    for y, arm in arms.iterrows():
        interval = [[arm["pass_at_1"] - arm["pass_at_1_low"]], [arm["pass_at_1_high"] - arm["pass_at_1"]]]
        axes.errorbar(arm["pass_at_1"], y - 0.1, xerr=interval, capsize=2.5, **point(looks, arm))
        if arm["k"] > 1:
            axes.plot(arm["maj_at_k"], y + 0.22, **vote)
    arm_rows(axes, arms)
    axes.set_xlim(0, min(1.02, max(0.1, 1.08 * arms[["pass_at_1_high", "maj_at_k"]].max().max())))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("pass@1, with 95% interval over problems")
    most = arms["k"].max()
    name = f"majority of {most}" if arms["k"].nunique() == 1 else "majority vote"
    legend(figure, table, [Line2D([], [], ls="", label=name, **vote)] if most > 1 else [])
    return figure


def accuracy_by_traces(table: pd.DataFrame) -> Figure:
    """pass@1 against the number of training traces: each draw a point, a line through the means, the main arm at 0.

    Dashed lines: arms that are not fine-tuned here. From `tables.arms_table`.
    """
    tuned, looks = table[table["role"] == "fine-tuned"], source_looks(table)
    if tuned.empty:
        return note("No arm of this study is fine-tuned on a counted number of traces.")
    figure, (axes,) = new_axes(WIDTH, 3.6)
    main = table[table["role"] == "main"].iloc[0]
    for source, arms in tuned.groupby("source", observed=True):
        means = arms.groupby("n_train")["pass_at_1"].mean()
        axes.plot([0, *means.index], [main["pass_at_1"], *means], color=looks[source]["color"], lw=1.2)
        for n, draws in arms.groupby("n_train"):
            for i, (_, arm) in enumerate(draws.iterrows()):
                place = n * (1 + 0.08 * (i - (len(draws) - 1) / 2))  # draws of one n side by side
                interval = [[arm["pass_at_1"] - arm["pass_at_1_low"]], [arm["pass_at_1_high"] - arm["pass_at_1"]]]
                axes.errorbar(place, arm["pass_at_1"], yerr=interval, elinewidth=0.8, capsize=2, **looks[source])
    interval = [[main["pass_at_1"] - main["pass_at_1_low"]], [main["pass_at_1_high"] - main["pass_at_1"]]]
    axes.errorbar(0, main["pass_at_1"], yerr=interval, elinewidth=0.8, capsize=2, **point(looks, main))
    others, levels = table[table["role"] == "reference"], []
    for i, (_, arm) in enumerate(others.iterrows()):
        look = {"color": looks[arm["source"]]["color"], "ls": DASHES[1 + i % 3], "lw": 1.2}
        axes.axhline(arm["pass_at_1"], zorder=0, **look)
        levels.append(Line2D([], [], label=str(arm["arm"]), **look))
    counts = sorted(tuned["n_train"].unique())
    axes.set_xscale("symlog", linthresh=counts[0], linscale=0.5)
    axes.xaxis.set_major_locator(FixedLocator([0, *counts]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}"))
    axes.set_xlim(-0.3 * counts[0], counts[-1] * 1.25)
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"training traces (0: {main['arm']})")
    axes.set_ylabel("pass@1, with 95% interval")
    axes.grid(axis="y")
    legend(figure, tuned, levels, points=False)
    return figure


def accuracy_by_part(table: pd.DataFrame) -> Figure:
    """pass@1 in percent of each arm on each part of the benchmark. From `tables.breakdown_table`."""
    if table.empty:
        return note("The problems of this study state no subset, level or subject.")
    arms = table.drop_duplicates("arm").reset_index(drop=True)
    parts = {by: rows["value"].unique() for by, rows in table.groupby("by", sort=False)}
    count = sum(map(len, parts.values()))
    figure, panels = new_axes(
        max(WIDTH, 1.7 + 0.32 * count), 1.4 + 0.9 * ROW * len(arms), [len(values) for values in parts.values()]
    )
    for axes, (by, values) in zip(panels, parts.items(), strict=True):
        grid = table[table["by"] == by].pivot(index="arm", columns="value", values="pass_at_1") * 100
        numbers = {"annot": True, "fmt": ".0f", "annot_kws": {"size": 8, "color": "black"}}
        tones = {"cmap": "Greys", "vmin": 0, "vmax": 170, "cbar": False, "linewidths": 0.5}  # light, for black numbers
        sns.heatmap(grid.loc[arms["arm"], values], ax=axes, **numbers, **tones)
        axes.set(xlabel=by, ylabel="")
        axes.tick_params(axis="both", length=0)
        axes.tick_params(axis="x", rotation=90 if max(map(len, values)) > 2 else 0)
    panels[0].set_yticks([i + 0.5 for i in arms.index], [label(arm) for _, arm in arms.iterrows()])
    for tick, source in zip(panels[0].get_yticklabels(), arms["source"], strict=True):
        tick.set_color(source_looks(table)[source]["color"])
    figure.suptitle("pass@1, percent", fontsize="medium")
    return figure


def response_lengths(table: pd.DataFrame) -> Figure:
    """Lengths of each arm's responses by how they ended: median, middle half and middle 90%. From `lengths_table`."""
    arms = table.drop_duplicates("arm").reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + 1.1 * ROW * len(arms))
    looks = source_looks(table)
    for y, arm in arms.iterrows():
        for _, row in table[table["arm"] == arm["arm"]].iterrows():
            cut, colour = row["ending"] == "cut off", looks[arm["source"]]["color"]
            at = y + (0.22 if cut else -0.12)
            axes.plot([row["p5"], row["p95"]], [at, at], color=colour, lw=1, ls=":" if cut else "-")
            axes.plot([row["p25"], row["p75"]], [at, at], color=colour, lw=4, alpha=0.6, solid_capstyle="butt")
            middle = {"marker": "x", "color": colour} if cut else {"marker": "o", "color": "black", "ms": 4}
            axes.plot(row["p50"], at, zorder=4, **middle)
            if cut:
                name = f"  {row['share']:.0%} cut off"
                axes.text(1, at, name, va="center", fontsize=8, color=GREY, transform=axes.get_yaxis_transform())
    arm_rows(axes, arms)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.set_xlabel(f"length of a response in {table['unit'].iloc[0]}")
    median = "median, finished" if set(table["ending"]) <= {"finished", "cut off"} else "median"
    ways = [Line2D([], [], ls="", marker="o", color="black", ms=4, label=median)]
    if "cut off" in set(table["ending"]):
        ways.append(Line2D([], [], ls="", marker="x", color=GREY, label="median, cut off"))
    ways.append(Line2D([], [], lw=4, alpha=0.6, color=GREY, label="middle half"))
    ways.append(Line2D([], [], lw=1, color=GREY, label="middle 90%"))
    legend(figure, table, ways, points=False)
    return figure


def differences(table: pd.DataFrame, main_arm: str) -> Figure:
    """Accuracy of each arm minus the main arm's, paired over problems. From `tables.differences_table`."""
    if table.empty:
        return note(f"No arm shares a problem with {main_arm}.")
    arms = table.reset_index(drop=True)
    figure, (axes,) = new_axes(WIDTH, 1.3 + ROW * len(arms))
    looks = source_looks(arms)
    for y, arm in arms.iterrows():
        interval = [[100 * (arm["difference"] - arm["low"])], [100 * (arm["high"] - arm["difference"])]]
        axes.errorbar(100 * arm["difference"], y, xerr=interval, capsize=2.5, **point(looks, arm))
        p = arm["p_corrected"]
        name = "  p < 0.001" if p < 0.001 else f"  p = {p:.3f}" if p < 0.1 else f"  p = {p:.2f}"
        axes.text(1, y, name, va="center", fontsize=8, transform=axes.get_yaxis_transform())
    axes.text(1, -0.75, "  p, Holm", va="center", fontsize=8, color=GREY, transform=axes.get_yaxis_transform())
    arm_rows(axes, arms)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlabel(f"percentage points of pass@1 above {main_arm}")
    legend(figure, table)
    return figure


def training_loss(table: pd.DataFrame) -> Figure:
    """Training loss of each arm against the epoch; the more traces, the darker. From `tables.loss_table`."""
    if table.empty:
        return note("No adapter of this study has a log of its loss.")
    figure, (axes,) = new_axes(WIDTH, 3.4)
    looks, counts = source_looks(table), sorted(table["n_train"].unique())
    keys: dict[str, Line2D] = {}
    for _, log in table.sort_values("n_train", kind="stable").groupby("arm", observed=True, sort=False):
        arm = log.iloc[0]
        look = {"color": looks[arm["source"]]["color"], "ls": DASHES[-1 - counts.index(arm["n_train"]) % 4]}
        name = f"{arm['source']}, n = {arm['n_train']}"
        (keys[name],) = axes.plot(log["epoch"], log["loss"], lw=1.1, label=name, **look)
    axes.set_ylim(0, None)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss, nats a token")
    axes.grid(axis="y")
    figure.legend(handles=list(keys.values()), loc="outside lower center", ncols=3, handlelength=3)
    return figure


def training_progress(table: pd.DataFrame) -> Figure:
    """Loss and learning rate against the epoch. From rows `arm, epoch, loss, learning_rate`, one a step, in order."""
    figure, (losses, rates) = new_axes(WIDTH, 2.8, (1, 1), sharey=False)
    for i, (name, log) in enumerate(table.groupby("arm", sort=False)):
        look = {"color": PALETTE[i % len(PALETTE)], "ls": DASHES[i // len(PALETTE) % len(DASHES)], "lw": 1.1}
        losses.plot(log["epoch"], log["loss"], label=name, **look)
        rates.plot(log["epoch"], log["learning_rate"], **look)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for axes, name in ((losses, "training loss, nats a token"), (rates, "learning rate")):
        axes.set(xlabel="epoch", ylabel=name, ylim=(0, None))
        axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=3, handlelength=2)
    return figure
