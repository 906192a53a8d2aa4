"""The table of training sets: what each is like, and what the arm scores that learnt from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from longcot.curation.data_sheet import read_rows
from longcot.diversity import embed, mean_distance
from longcot.tables.results import Result, accuracies, tidy, who

COLUMNS = ("varied", "by_condition", "pass_at_1", "unit", "mean_length", "base_pass_rate", "level", "distance")


def properties_table(results: Sequence[Result], run_dir: str | Path) -> pd.DataFrame:
    """One row an arm that has a training set in the run directory: means over its traces, and its `pass_at_1`.

    `mean_length` is in `unit` (tokens where every row says them, else words), `base_pass_rate` is the base model's on
    the set's problems, `level` that of the problems where levels are numbers, `distance` the mean cosine distance of
    two traces (TF-IDF over all sets); NaN where nothing is known. `varied` is the first property that the arm shows a
    value of, else whose traces it has. Raises BadInput for a file that is no training set.
    """
    arms = [result for result in results if result.arm.training_set]
    sets = [read_rows(Path(run_dir) / result.arm.training_set) for result in arms]
    if not any(sets):
        return tidy([], COLUMNS, results)
    counted = all(row.get("completion_tokens") is not None for rows in sets for row in rows)
    vectors = embed([row["messages"][-1]["content"] for rows in sets for row in rows])
    table, start = [], 0
    for result, rows in zip(arms, sets, strict=True):
        own, start = vectors[start : start + len(rows)], start + len(rows)
        lengths = [row["completion_tokens"] if counted else len(row["messages"][-1]["content"].split()) for row in rows]
        table.append(
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
    return tidy(table, COLUMNS, results)


def _mean(values: Sequence[Any]) -> float:
    """The mean where all values are numbers, or texts of numbers; else NaN."""
    try:
        return float(np.mean([float(value) for value in values]))
    except (TypeError, ValueError):
        return float("nan")
