"""Accuracy against the epochs of training, of arms that are evaluated at several."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from longcot.figures.results import Result, tidy, who
from longcot.figures.style import DASHES, PALETTE, WIDTH, new_axes
from longcot.figures.task import said_instead

SCORES = ("pass_at_1", "pass_at_1_low", "pass_at_1_high")


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and epoch at which it is evaluated: `epoch`, `pass_at_1` with 95% interval over problems.

    `training` is what its training has in place of the study's settings. Empty where no arm is evaluated at several.
    """
    rows = []
    for result in results:
        if epoch := result.arm.epoch:
            trained = {name: said for name, said in result.arm.own.items() if name in ("lora", "loss")}
            row = who(result) | {"training": said_instead(trained), "epoch": epoch}
            rows.append(row | {name: result.scores[name] for name in SCORES})
    return tidy(rows, ("training", "epoch", *SCORES), results)


def draw(table: pd.DataFrame) -> Figure:
    """pass@1 against the epoch: a point an arm, and a line through the mean of those of one teacher, with as many
    traces, that were trained alike.
    """
    figure, (axes,) = new_axes(WIDTH, 3.4)
    keys = []
    groups = table.groupby(["source", "n_train", "training"], observed=True, sort=False)
    for number, ((source, count, training), own) in enumerate(groups):
        look = {"color": PALETTE[number % len(PALETTE)], "ls": DASHES[number // len(PALETTE) % len(DASHES)]}
        axes.plot(own["epoch"], own["pass_at_1"], ls="", marker="o", ms=3, alpha=0.5, color=look["color"])
        mean = own.groupby("epoch")["pass_at_1"].mean()
        axes.plot(mean.index, mean, lw=1.4, **look)
        keys.append(Line2D([], [], label=", ".join(filter(None, (f"{source}, n = {count}", training))), **look))
    axes.set(xlabel="epochs of training", ylabel="pass@1", xscale="log", ylim=(-0.01, None))
    epochs = sorted(table["epoch"].unique())
    axes.set_xticks(epochs, [str(epoch) for epoch in epochs])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y")
    figure.legend(handles=keys, loc="outside lower center", ncols=1, handlelength=3)
    return figure
