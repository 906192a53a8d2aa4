"""How right a base is when its adapter chooses some of its tokens."""

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.style import DASHES, GREY, PALETTE, WIDTH, new_axes
from longcot.figures.ticks import in_percent
from longcot.metrics.intervals import holm, paired_interval, pass_at_1_interval

WHO = {"divergence": "where the two part most", "chance": "as many by chance"}


def table(steered: pd.DataFrame) -> pd.DataFrame:
    """One row a rule: `pass_at_1` over `n_problems` with its 95% interval `low` to `high`; of all tokens the share that
    was meant to be the adapter's, that was (`chosen`), and that the base would have drawn otherwise (`changed`); the
    `bound` (nats, or a probability); mean `tokens` and the share `finished`. `steered` is a `locate.steered_table`.
    """
    rows = []
    for rule, own in steered.groupby("rule", sort=False) if len(steered) else ():
        counts = own.groupby("problem_id")["correct"].agg(["sum", "size"])
        low, high = pass_at_1_interval(counts["sum"], counts["size"])
        row = {"rule": rule} | {name: own[name].iloc[0] for name in ("by", "share", "bound")}
        whole = max(own["completion_tokens"].sum(), 1)
        row |= {name: own[name].sum() / whole for name in ("chosen", "changed")}
        row |= {"pass_at_1": own["correct"].mean(), "low": low, "high": high, "n_problems": len(counts)}
        row |= {"tokens": own["completion_tokens"].mean(), "finished": (own["finish_reason"] == "stop").mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def against_chance(steered: pd.DataFrame) -> pd.DataFrame:
    """One row a share: by how much accuracy is higher where the two part most than by chance, paired by problem, with
    the 95% interval, and the p-value corrected for the number of shares (Holm).
    """
    wide = steered.assign(correct=steered["correct"].astype(int)).set_index("problem_id")
    rows = []
    for share in wide.loc[wide["by"] == "divergence", "share"].unique():
        own = wide[wide["share"] == share]
        chance, most = (own.loc[own["by"] == by, "correct"].sort_index() for by in ("chance", "divergence"))
        ones = [1] * len(most)
        rows.append({"share": share} | paired_interval(list(chance), ones, list(most), ones))
    found = pd.DataFrame(rows)
    return found.assign(p_holm=holm(found["p_value"])) if rows else found


def draw(table: pd.DataFrame) -> Figure:
    """Accuracy with its interval against the share of tokens that the adapter chose, as it came about; the share that
    was meant stands beside a point.
    """
    figure, (axes,) = new_axes(WIDTH, 3.6)
    for name, colour, dash in (("adapter", PALETTE[1], DASHES[0]), ("base", GREY, DASHES[1])):
        (alone,) = table.loc[table["by"] == name, "pass_at_1"]
        axes.axhline(alone, color=colour, ls=dash, lw=1, label=f"{name} alone")
    for (by, name), colour, marker in zip(WHO.items(), (PALETTE[0], PALETTE[4]), ("o", "s"), strict=True):
        own = table[table["by"] == by].sort_values("share")
        bars = [own["pass_at_1"] - own["low"], own["high"] - own["pass_at_1"]]
        look = {"color": colour, "marker": marker, "ms": 5, "lw": 1.2, "elinewidth": 1, "capsize": 2}
        axes.errorbar(own["chosen"], own["pass_at_1"], yerr=bars, label=name, **look)
        for place, row in enumerate(own.itertuples() if by == "divergence" else ()):
            above = (5, 4 + 11 * (place % 2))  # neighbours at two heights, as the smallest shares lie close together
            axes.annotate(f"{100 * row.share:g}%", (row.chosen, row.pass_at_1), above, textcoords="offset points")
    axes.set(xlim=(0, None), ylim=(-0.03, 1.03), xlabel="share of the response's tokens that the adapter chose")
    axes.set_ylabel("pass@1, with 95% interval")
    for axis in (axes.xaxis, axes.yaxis):
        in_percent(axis)
    axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
