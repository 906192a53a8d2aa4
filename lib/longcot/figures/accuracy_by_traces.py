"""pass@1 against the number of training traces."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from longcot.figures import ranked_arms
from longcot.figures.lines import end_labels
from longcot.figures.results import Result, accuracies
from longcot.figures.style import DASHES, WIDTH, arm_looks, legend, new_axes, source_colours
from longcot.figures.ticks import in_percent, plain
from longcot.metrics.draws import draws_interval


def table(results: Sequence[Result]) -> pd.DataFrame:
    """`ranked_arms.table`, and for arms fine-tuned on as many traces of one source their `n_draws` and `mean`.

    `mean_low` and `mean_high` are its 95% interval: of several draws over draws and problems (`draws.draws_interval`),
    of one the arm's own. Empty where no arm is fine-tuned on a counted number of traces.
    """
    scores = ranked_arms.table(results)
    draws: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        if result.role == "fine-tuned":
            draws.setdefault((result.source, result.arm.n_train), []).append(result)
    found = {}
    for own in draws.values():
        values = [own[0].scores[name] for name in ("pass_at_1", "pass_at_1_low", "pass_at_1_high")]
        together = draws_interval(accuracies(own))[:3] if len(own) > 1 else values
        found |= {result.arm.name: (len(own), *together) for result in own}
    columns = ["n_draws", "mean", "mean_low", "mean_high"]
    rows = [found.get(name, (0, np.nan, np.nan, np.nan)) for name in scores["arm"]]
    scores[columns] = pd.DataFrame(rows, columns=columns, index=scores.index)
    return scores if found else scores.iloc[:0]


def draw(table: pd.DataFrame) -> Figure:
    """pass@1 against the number of training traces: each draw a point, the means a line, their 95% interval a band.

    At 0 the main arm. Dashed lines: arms that are not fine-tuned here.
    """
    tuned, colours, looks = table[table["role"] == "fine-tuned"], source_colours(table), arm_looks(table)
    others = table[table["role"] == "reference"]
    height = max(3.6, 1.2 + 0.15 * len(others))
    figure, (axes,) = new_axes(WIDTH + 0.6, height)
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
    for i, (_, arm) in enumerate(others.iterrows()):
        axes.axhline(arm["pass_at_1"], zorder=0, color=colours[arm["source"]], ls=DASHES[1 + i % 3], lw=1.2)
    counts = sorted(tuned["n_train"].unique())
    axes.set_xscale("symlog", linthresh=counts[0], linscale=0.5)
    axes.xaxis.set_major_locator(FixedLocator([0, *counts]))
    axes.xaxis.set_minor_locator(NullLocator())
    plain(axes.xaxis)
    axes.set_xlim(-0.3 * counts[0], counts[-1] * 1.25)
    axes.set_ylim(0, None)
    in_percent(axes.yaxis)
    axes.set_xlabel(f"training traces (0: {main['arm']})")
    axes.set_ylabel("pass@1, mean with 95% interval")
    axes.grid(axis="y")
    levels = {str(arm["arm"]): (arm["pass_at_1"], colours[arm["source"]]) for _, arm in others.iterrows()}
    end_labels(axes, height - 0.2, levels)
    legend(figure, tuned, points=False)
    return figure
