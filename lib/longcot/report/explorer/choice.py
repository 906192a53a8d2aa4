"""Which traces a reader wants to see: filters, arms that disagree, and the problems that are left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from longcot.files.visible import visible
from longcot.report.explorer.index import Index
from longcot.traces.behaviours import BEHAVIOURS

VERDICTS = ("correct", "wrong", "not graded")
ENDINGS = ("finished", "cut off", "end not stated")
UNITS = {"completion_tokens": "tokens", "kilobytes": "kB"}


@dataclass(frozen=True)
class Filters:
    """What a trace must be like; an empty value asks nothing.

    `length` is in the unit of `length_unit`, both ends included. On a problem of `wrong_in` and `right_in`, arms, less
    than half of the first one's graded samples are correct and at least half of the other's. `words` stand in its text.
    """

    verdict: str = ""
    ending: str = ""
    behaviour: str = ""
    length: tuple[float, float] | None = None
    wrong_in: str = ""
    right_in: str = ""
    words: str = ""

    def said(self) -> list[str]:
        """What is asked, each as a reader says it: `verdict wrong`, `wrong in base`."""
        span = "" if self.length is None else f"{self.length[0]:,.0f} to {self.length[1]:,.0f}"
        asked = {"verdict": self.verdict, "end": self.ending, "shows": self.behaviour, "length": span}
        asked |= {"wrong in": self.wrong_in, "right in": self.right_in, "text holds": self.words}
        return [f"{name} {value}" for name, value in asked.items() if value]


def verdicts(rows: pd.DataFrame) -> pd.Series:
    """The verdict (`VERDICTS`) of each trace."""
    return rows["correct"].map({True: VERDICTS[0], False: VERDICTS[1]}).fillna(VERDICTS[2])


def length_unit(rows: pd.DataFrame) -> str:
    """The column by which these traces are measured: tokens where all say them, else kilobytes in the file."""
    return "completion_tokens" if rows["completion_tokens"].notna().all() else "kilobytes"


def passing(
    rows: pd.DataFrame, filters: Filters, counts: np.ndarray, search: Callable[[pd.DataFrame, str], pd.Series]
) -> pd.Series:
    """Whether each of these traces passes the filters. `counts` are those of `Counts`, `search` is `Search.holding`."""
    kept = pd.Series(True, rows.index)
    if filters.verdict:
        kept &= verdicts(rows) == filters.verdict
    if filters.ending:
        kept &= rows["ending"] == filters.ending
    if filters.length:
        kept &= rows[length_unit(rows)].between(*filters.length)
    if filters.behaviour:
        kept &= counts[rows.index, BEHAVIOURS.index(filters.behaviour)] > 0
    if filters.words:
        kept &= search(rows, filters.words)
    return kept


def disagreed(index: Index, set_name: str, filters: Filters) -> pd.Series:
    """Whether the arms of `filters.wrong_in` and `right_in` are so, for each problem of a set, by problem id."""
    rows = index.table[index.table["set"] == set_name]
    kept = pd.Series(True, rows["problem_id"].unique())
    for arm, right in ((filters.wrong_in, False), (filters.right_in, True)):
        if arm:
            graded = rows[(rows["arm"] == arm) & rows["correct"].notna()]
            share = graded["correct"].astype(float).groupby(graded["problem_id"]).mean()
            kept &= ((share >= 0.5) == right).reindex(kept.index, fill_value=False)
    return kept


def problem_table(index: Index, rows: pd.DataFrame, kept: pd.Series, arms: Sequence[str], unit: str) -> pd.DataFrame:
    """One row a problem with a trace that is kept: by its id, the share of each arm's graded samples that is correct
    (in percent, over all its samples), the median length of its samples, and the problem's first words."""
    left = rows.loc[kept, "problem_id"].unique()
    own = rows[rows["problem_id"].isin(left)]
    table = pd.DataFrame(index=pd.Index(left, name="problem"))
    by_arm = own.assign(right=own["correct"].astype(float) * 100).groupby(["arm", "problem_id"])
    right, length = by_arm["right"].mean(), by_arm[unit].median()
    for arm in arms:
        for column, values in ((f"{arm}: % correct", right), (f"{arm}: {UNITS[unit]}", length)):
            of_arm = values[arm] if arm in values.index.levels[0] else pd.Series(dtype=float)
            table[column] = of_arm.reindex(table.index).round(1)
    return table.assign(text=[index.problems[name] for name in left])


def orders(table: pd.DataFrame) -> dict[str, tuple[str, bool]]:
    """The ways to order a table of problems, as a reader says them: the column, and whether the lowest come first."""
    numbers = [column for column in table.columns if column != "text"]
    return {f"{column}, {'lowest' if up else 'highest'}": (column, up) for column in numbers for up in (True, False)}


def sample_options(
    rows: pd.DataFrame, kept: pd.Series, arm: str, filters: Filters
) -> tuple[list[tuple[str, int]], int | None]:
    """An arm's samples of one problem as a menu, (what it is like, its row), and the row to begin with.

    That is the first that passes the filters (marked with a dot), of an arm that is asked to be wrong or right the
    first such one; of arms without samples of the problem there is none.
    """
    if rows.empty:
        return [], None
    unit, said = length_unit(rows), verdicts(rows)
    options = [
        (
            f"{'● ' if kept[row] else ''}sample {sample}{f' {visible(stage)}' if stage else ''}, {said[row]}, "
            f"{length:,.0f} {UNITS[unit]}, {ending}",
            row,
        )
        for row, sample, stage, length, ending in rows[["sample", "stage", unit, "ending"]].itertuples()
    ]
    asked = {filters.wrong_in: VERDICTS[1]} | {filters.right_in: VERDICTS[0]}
    good = kept[rows.index] & ((said == asked[arm]) if asked.get(arm) and not filters.verdict else True)
    left = rows.index[good] if good.any() else rows.index[kept[rows.index]]
    return options, int(left[0] if len(left) else rows.index[0])
