"""Where in a response a fine-tuned model parts from its base."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.style import PALETTE, WIDTH, new_panels
from longcot.figures.ticks import in_percent, log_ticks

STEPS = (1, 1.5)  # where a bin begins, times powers of two: 1, 2, 3, 4, 6, 8, 12, …


def table(tokens: pd.DataFrame) -> pd.DataFrame:
    """One row a bin of positions, `first` to `last` (from 1): `tokens` in it, mean `divergence` in nats, and the share
    of `flips`. `tokens` is a `locate.token_table`.
    """
    powers = range(int(tokens["position"].max()).bit_length() + 1)
    edges = sorted({int(step * 2**power) for power in powers for step in STEPS})
    bins = np.digitize(tokens["position"], edges) - 1
    groups = tokens.groupby(bins)
    return pd.DataFrame(
        {
            "first": [edges[place] for place in groups.groups],
            "last": [edges[place + 1] - 1 for place in groups.groups],
            "tokens": groups.size(),
            "divergence": groups["divergence"].mean(),
            "flips": groups["flip"].mean(),
        }
    ).reset_index(drop=True)


def draw(table: pd.DataFrame) -> Figure:
    """Mean divergence and the share of flips against the position, on a logarithmic axis."""
    figure, axes = new_panels(2, 1, WIDTH, 2.1, sharex="col")
    middle = np.sqrt(table["first"] * table["last"])
    for panel, column, name in zip(
        axes, ("divergence", "flips"), ("divergence, nats a token", "first choice flips"), strict=True
    ):
        panel.plot(middle, table[column], marker="o", ms=4, lw=1.2, color=PALETTE[0])
        panel.set(xscale="log", ylabel=name, ylim=(0, None))
        panel.grid(axis="y")
    in_percent(axes[1].yaxis)
    log_ticks(axes[1].xaxis, pd.concat([table["first"], table["last"]]))
    axes[1].set_xlabel("position in the response, tokens")
    return figure
