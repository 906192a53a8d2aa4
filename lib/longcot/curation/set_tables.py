"""The sets of traces that a study chose: what filters made of the pools, where the chosen lie, and each one's place.

A set is an arm's, or those of all arms of one condition together. Tables name a trace by its row in the table of all
measured traces (`pool_tables.pools_table`).
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from longcot.curation.pool_tables import behaviour_columns
from longcot.curation.task import CuratedArm
from longcot.curation.training_set import read_rows
from longcot.files.visible import visible
from longcot.traces.trace import Trace

PARTS = ("pool", "left", "chosen")  # all traces of a set's pool, those that its filters left, those that it took


def chosen_places(curated: CuratedArm, run_dir: Path) -> list[tuple[str, Trace]]:
    """(file, trace) of an arm's training set, in its order. Raises BadInput where the set is missing or is none."""
    rows, found = iter(read_rows(run_dir / curated.task.training_set)), []
    for part in curated.parts:
        by_key = {trace.key: trace for trace in part.filtered.kept}
        own = islice(rows, part.task.data.n)
        found += [(part.task.traces, by_key[row["problem_id"], row["sample"], part.task.data.stage]) for row in own]
    return found


def chosen_traces(curated: CuratedArm, run_dir: Path) -> list[Trace]:
    """The traces of `chosen_places`."""
    return [trace for _, trace in chosen_places(curated, run_dir)]


def members_table(table: pd.DataFrame, curated: Sequence[CuratedArm], run_dir: Path) -> pd.DataFrame:
    """One row a set, part (`PARTS`) and trace: its `row` in `table`, and for chosen ones the `arm` that took it.

    Raises BadInput where a training set is missing.
    """
    place = {
        (file, problem, int(sample), stage): row
        for row, file, problem, sample, stage in table[["file", "problem_id", "sample", "stage"]].itertuples()
    }
    members: dict[tuple[str, str, str, int], None] = {}
    for one in curated:
        task, made = one.task, [(part.task.traces, part.filtered) for part in one.parts]
        given = [(file, trace) for file, filtered in made for trace in filtered.given]
        kept = [(file, trace) for file, filtered in made for trace in filtered.kept]
        for part, traces in zip(PARTS, (given, kept, chosen_places(one, run_dir)), strict=True):
            who = (task.set_name, part, task.name if part == "chosen" else "")
            members |= dict.fromkeys((*who, place[file, *trace.key]) for file, trace in traces)
    return pd.DataFrame(list(members), columns=["set", "part", "arm", "row"])


def chosen_table(table: pd.DataFrame, places: Sequence[tuple[str, Trace]], unit: str) -> pd.DataFrame:
    """The traces of a set (`chosen_places`) to be read: where each stands (`file:line`, problem, sample), and what it
    is like.

    The problem's first words are shown with control characters made visible.
    """
    own = table.set_index(["file", "problem_id", "sample", "stage"])
    rows = []
    for file, trace in places:
        row = own.loc[(file, *trace.key)]
        known = {name: row[name] for name in ("subject", "level", "base_pass_rate") if pd.notna(row[name])}
        rows.append(
            {"trace": f"{file}:{row['line']}", "problem_id": trace.problem_id, "sample": trace.sample}
            | known
            | {"correct": trace.correct, unit: int(row[unit])}
            | {name: row[name] for name in behaviour_columns(table)}
            | {"problem": visible(trace.problem)[:80]}
        )
    return pd.DataFrame(rows)
