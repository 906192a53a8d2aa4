"""Reasoning behaviours in the responses of each arm."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from longcot.figures.results import Result, length_unit, tidy, who
from longcot.figures.style import ROW, WIDTH, in_order, label, new_axes, source_colours
from longcot.traces.behaviours import BEHAVIOURS


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and behaviour: how often its responses show it (`count`), and the `rate` in 1,000 of their length.

    Over the first `results.SAMPLES` samples of each problem, all of them together; lengths as in `response_lengths`.
    Empty where no response shows any.
    """
    unit, rows = length_unit(results), []
    for result in results:
        counts, length = np.zeros(len(BEHAVIOURS), dtype=int), 0
        for trace, words, found in zip(result.traces, result.words, result.behaviours, strict=True):
            if found is not None:
                counts += found
                length += trace.completion_tokens if unit == "tokens" else words
        for name, count in zip(BEHAVIOURS, counts.tolist(), strict=True):
            rate = 1000 * count / length if length else 0.0
            rows.append(who(result) | {"unit": unit, "behaviour": name, "count": count, "length": length, "rate": rate})
    seen = any(row["count"] for row in rows)
    return tidy(rows if seen else [], ("unit", "behaviour", "count", "length", "rate"), results)


def draw(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Behaviours found in the responses of each arm, for each 1,000 of their length; arms in `order`.

    Shades go by column, since some behaviours are far more common than others; those that no arm shows are named below.
    """
    arms, colours = in_order(table, order), source_colours(table)
    shown = table.groupby("behaviour", sort=False)["rate"].max()
    names = list(shown.index[shown > 0])
    grid = table.pivot(index="arm", columns="behaviour", values="rate").loc[arms["arm"], names]
    figure, (axes,) = new_axes(WIDTH, 2.2 + 0.9 * ROW * len(arms))
    shades = 100 * grid / grid.max().where(grid.max() > 0, 1)
    numbers = grid.map(lambda rate: f"{rate:.2f}" if 0 < rate < 0.95 else f"{rate:.1f}" if rate < 10 else f"{rate:.0f}")
    text = {"annot": numbers.where(grid > 0, "0"), "fmt": "", "annot_kws": {"size": 8, "color": "black"}}
    tones = {"cmap": "Greys", "vmin": 0, "vmax": 170, "cbar": False, "linewidths": 0.5}  # light, for black numbers
    sns.heatmap(shades, ax=axes, **text, **tones)
    nowhere = ", ".join(shown.index.drop(names))
    axes.set(xlabel=textwrap.fill(f"nowhere: {nowhere}", 44) if nowhere else "", ylabel="")
    axes.tick_params(axis="both", length=0)
    lines = [name.replace(" of ", " of\n").replace("l s", "l\ns").replace("d c", "d\nc") for name in names]
    axes.set_xticks([i + 0.5 for i in range(len(names))], lines, rotation=90 if len(names) > 3 else 0)
    axes.set_yticks([i + 0.5 for i in arms.index], [label(arm) for _, arm in arms.iterrows()], rotation=0)
    for tick, source in zip(axes.get_yticklabels(), arms["source"], strict=True):
        tick.set_color(colours[source])
    title = (
        f"behaviours in 1,000 {table['unit'].iloc[0]} of responses\neach column shaded by itself, from 0 to its highest"
    )
    figure.suptitle(title, fontsize="medium")
    return figure
