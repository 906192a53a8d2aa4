"""pass@1 of arms against what their training sets are like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from longcot.curation.training_set import read_rows
from longcot.figures.results import Result, accuracies, tidy, who
from longcot.figures.style import GREY, MARKERS, PALETTE, WIDTH, new_panels
from longcot.figures.ticks import in_percent
from longcot.traces.diversity import embed, mean_distance
from longcot.traces.likelihood import digest, read_likelihoods
from longcot.traces.words import split_words

MEASURES = {  # of a training set: how an axis says it
    "mean_length": "mean length, {unit}",
    "base_pass_rate": "base's pass rate on its problems",
    "level": "mean level of its problems",
    "distance": "mean distance of its traces",
    "logprob": "base's mean log-probability, nats",
    "rsr": "mean rank-surprisal ratio",
}
LIKELIHOODS = ("logprob", "rsr")


COLUMNS = ("varied", "by_condition", "pass_at_1", "unit", "mean_length", "base_pass_rate", "level", "distance")


def table(results: Sequence[Result], run_dir: str | Path) -> pd.DataFrame:
    """One row an arm that has a training set in the run directory: means over its traces, and its `pass_at_1`.

    `mean_length` is in `unit` (tokens where every row says them, else words), `base_pass_rate` is the base model's on
    the set's problems, `level` that of the problems where levels are numbers, `distance` the mean cosine distance of
    two traces (TF-IDF over all sets); NaN where nothing is known. `logprob` and `rsr` (`traces.likelihood`) are there
    where they were measured in the run, and NaN for traces that were changed. `varied` is the first property that the
    arm shows a value of, else whose traces it has. Empty where fewer than three arms of equally many traces differ in
    anything. Raises BadInput for a file that is no training set.
    """
    arms = [result for result in results if result.arm.training_set and not result.arm.early]
    sets = [read_rows(Path(run_dir) / result.arm.training_set) for result in arms]
    if not any(sets):
        return tidy([], COLUMNS, results)
    counted = all(row.get("completion_tokens") is not None for rows in sets for row in rows)
    vectors = embed([row["messages"][-1]["content"] for rows in sets for row in rows])
    found, start, known = [], 0, read_likelihoods(run_dir)
    for result, rows in zip(arms, sets, strict=True):
        own, start = vectors[start : start + len(rows)], start + len(rows)
        texts = [row["messages"][-1]["content"] for row in rows]
        lengths = [row["completion_tokens"] for row in rows] if counted else [len(split_words(text)) for text in texts]
        found.append(
            who(result)
            | {
                "varied": next(iter(result.arm.condition), f"{result.source} traces"),
                "by_condition": bool(result.arm.condition),
                "pass_at_1": accuracies([result]).mean(),
                "unit": "tokens" if counted else "words",
                "mean_length": np.mean(lengths),
                "base_pass_rate": _mean([row.get("base_pass_rate") for row in rows]),
                "level": _mean([row.get("level") for row in rows]),
                "distance": mean_distance(own),
            }
        )
        if known:
            likely = [known.get(digest(row["problem_id"], texts[place])) for place, row in enumerate(rows)]
            found[-1] |= {name: _mean([getattr(one, name, None) for one in likely]) for name in LIKELIHOODS}
    table = tidy(found, (*COLUMNS, *LIKELIHOODS) if known else COLUMNS, results)
    comparable, measures = _comparable(table)
    return table if len(comparable) >= 3 and measures else table.iloc[:0]


def _comparable(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The arms of the number of traces that most have, and the measures in which these differ."""
    usual = table["n_train"].mode()
    own = table[table["n_train"] == (usual.iloc[0] if len(usual) else 0)]
    return own, [name for name in MEASURES if name in own and own[name].nunique() > 1]


def _mean(values: Sequence[Any]) -> float:
    """The mean where all values are numbers, or texts of numbers; else NaN."""
    try:
        return float(np.mean([float(value) for value in values]))
    except (TypeError, ValueError):
        return float("nan")


def draw(table: pd.DataFrame) -> Figure:
    """pass@1 of each arm against what its training set is like, a panel a measure and a point an arm.

    Only arms of the number of traces that most have: accuracy goes by that first.
    """
    table, names = _comparable(table)
    figure, panels = new_panels(len(names), 2, 0.5 * (WIDTH + 0.4), 2.3, sharey="all")
    groups = list(table["varied"].unique())
    looks = {}
    for i, name in enumerate(groups):
        colour = (*PALETTE, GREY, "#000000")[i % (len(PALETTE) + 2)]
        looks[name] = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 4.5, "alpha": 0.75}
    for axes, name in zip(panels, names, strict=True):
        for group, own in table.groupby("varied", sort=False):
            axes.plot(own[name], own["pass_at_1"], **looks[group])
        axes.set_xlabel(MEASURES[name].format(unit=table["unit"].iloc[0]))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        in_percent(axes.yaxis)
        axes.set_ylim(-0.03, 1.03)
        axes.grid()
    if "base_pass_rate" in names:
        in_percent(panels[names.index("base_pass_rate")].xaxis)
    figure.supylabel("pass@1", fontsize="medium")
    figure.suptitle(f"arms of {table['n_train'].iloc[0]} traces, a point each", fontsize="medium")
    keys = [Line2D([], [], label=name, **looks[name]) for name in groups]
    title = "varied:" if table["by_condition"].iloc[0] else None
    figure.legend(handles=keys, title=title, loc="outside lower center", ncols=3 if len(keys) != 4 else 2)
    return figure
