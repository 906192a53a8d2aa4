"""What each layer's part of an adapter does: what is left of its effect without it."""

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.style import DASHES, GREY, PALETTE, ROW, WIDTH, new_axes
from longcot.models.divergence import NONE


def table(layers: pd.DataFrame) -> pd.DataFrame:
    """One row a layer whose part is switched `off`, or `NONE`: means over all tokens, in nats, of the `divergence` that
    is left, the `loss` on the traces and the `base_loss`, and the share of `flips`. `layers` is a `locate.layer_table`.
    """
    means = ["divergence", "flips", "loss", "base_loss"]
    weighted = layers.assign(**{name: layers[name] * layers["tokens"] for name in means})
    sums = weighted.groupby("off", sort=False)[["tokens", *means]].sum()
    sums[means] = sums[means].div(sums["tokens"], axis=0)
    return sums.assign(traces=layers["problem_id"].nunique()).reset_index()


def draw(table: pd.DataFrame) -> Figure:
    """A line a layer: divergence and loss without it, beside those of the whole adapter and the base."""
    whole, parts = table[table["off"] == NONE].iloc[0], table[table["off"] != NONE]
    figure, axes = new_axes(WIDTH, 1.2 + ROW * len(parts), (1, 1))
    places, ends = range(len(parts)), {"divergence": 0.0, "loss": whole["base_loss"]}
    for panel, column in zip(axes, ends, strict=True):
        panel.plot(parts[column], places, ls="", marker="o", color=PALETTE[0], label="without this layer's part")
        panel.axvline(whole[column], color=PALETTE[1], ls=DASHES[0], lw=1, label="whole adapter")
        panel.axvline(ends[column], color=GREY, ls=DASHES[1], lw=1, label="base")
        panel.grid(axis="x")
    names = [f"layer {name}" if name.isdigit() else name for name in parts["off"]]
    axes[0].set(yticks=places, yticklabels=names, xlabel="divergence from the base,\nnats a token")
    axes[0].set_ylim(len(parts) - 0.5, -0.5)
    axes[1].set_xlabel("loss on the traces,\nnats a token")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
