"""On which kinds of token a fine-tuned model parts from its base."""

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.style import GREY, PALETTE, ROW, WIDTH, new_axes
from longcot.figures.ticks import in_percent
from longcot.models.token_kinds import KINDS


def table(tokens: pd.DataFrame) -> pd.DataFrame:
    """One row a kind of token: how many `tokens`, their share of all (`of_tokens`) and of all divergence
    (`of_divergence`), mean `divergence` in nats, the share of `flips`, and of the token that stands there the mean
    `base_loss` and `adapter_loss` (nats) and the median of both ranks. `tokens` is a `locate.token_table`.
    """
    rows = []
    for kind in KINDS:
        own = tokens[tokens["kind"] == kind]
        if own.empty:
            continue
        row = {"kind": kind, "tokens": len(own), "of_tokens": len(own) / len(tokens)}
        row |= {"of_divergence": own["divergence"].sum() / max(tokens["divergence"].sum(), 1e-30)}
        row |= {"divergence": own["divergence"].mean(), "flips": own["flip"].mean()}
        for name in ("base", "adapter"):
            row |= {f"{name}_loss": -own[f"{name}_logprob"].mean(), f"{name}_rank": own[f"{name}_rank"].median()}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """Of each kind its mean divergence; and its share of all divergence beside that of all tokens."""
    figure, (left, right) = new_axes(WIDTH, 1.1 + ROW * len(table), (1, 1))
    places = range(len(table))
    left.barh(places, table["divergence"], height=0.6, color=PALETTE[0])
    left.set(yticks=places, yticklabels=table["kind"], xlabel="divergence, nats a token")
    left.invert_yaxis()
    left.tick_params(axis="y", length=0)
    for at, row in table.iterrows():
        right.plot([row["of_tokens"], row["of_divergence"]], [at, at], color=GREY, lw=1)
    right.plot(table["of_tokens"], places, ls="", marker="o", color=GREY, markerfacecolor="white", label="of tokens")
    right.plot(table["of_divergence"], places, ls="", marker="o", color=PALETTE[1], label="of divergence")
    in_percent(right.xaxis)
    right.set(xlabel="share of all", xlim=(0, None))
    for axes in (left, right):
        axes.grid(axis="x")
    figure.legend(loc="outside lower right", ncols=2)
    return figure
