"""The figures of training: loss of all arms, and loss and learning rate while it goes on."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from longcot.figures.style import DASHES, PALETTE, WIDTH, arm_looks, new_axes, note


def training_loss(table: pd.DataFrame) -> Figure:
    """Training loss of each arm, on a logarithmic axis, against the epoch; the more traces, the darker.

    From `tables.loss_table`.
    """
    if table.empty:
        return note("No adapter of this study has a log of its loss.")
    figure, (axes,) = new_axes(WIDTH, 3.4)
    looks, counts = arm_looks(table), sorted(table["n_train"].unique())
    keys: dict[str, Line2D] = {}
    few = table["arm"].nunique() <= 16
    for _, log in table.sort_values("n_train", kind="stable").groupby("arm", observed=True, sort=False):
        arm = log.iloc[0]
        look = {"color": looks[arm["arm"]]["color"], "ls": DASHES[-1 - counts.index(arm["n_train"]) % 4]}
        name = f"{arm['source']}, n = {arm['n_train']}"
        axes.plot(log["epoch"], log["loss"], lw=1.1 if few else 0.6, alpha=1 if few else 0.5, **look)
        keys[name] = Line2D([], [], label=name, **look)
    axes.set(xlabel="epoch", ylabel="training loss, nats a token", yscale="log")  # it falls by a hundred times
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
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
