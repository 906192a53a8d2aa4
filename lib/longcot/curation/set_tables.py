"""The sets of traces that a study chose: what filters made of the pools, where the chosen lie, and each one's place.

A set is an arm's, or those of all arms of one condition together. Tables name a trace by its row in the table of all
measured traces (`pool_tables.pools_table`).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from longcot.curation.pool_tables import behaviour_columns
from longcot.curation.task import CuratedArm
from longcot.curation.training_set import read_rows
from longcot.files.visible import visible
from longcot.traces.trace import Trace

PARTS = ("pool", "left", "chosen")  # all traces of a set's pool, those that its filters left, those that it took


def chosen_traces(curated: CuratedArm, run_dir: Path) -> list[Trace]:
    """The traces of an arm's training set, in its order. Raises BadInput where the set is missing or is none."""
    task, by_key = curated.task, {trace.key: trace for trace in curated.filtered.kept}
    rows = read_rows(run_dir / task.training_set)
    return [by_key[row["problem_id"], row["sample"], task.data.stage] for row in rows]


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
        task, filtered = one.task, one.filtered
        parts = zip(PARTS, (filtered.given, filtered.kept, chosen_traces(one, run_dir)), strict=True)
        for part, traces in parts:
            who = (task.set_name, part, task.name if part == "chosen" else "")
            members |= dict.fromkeys((*who, place[task.traces, *trace.key]) for trace in traces)
    return pd.DataFrame(list(members), columns=["set", "part", "arm", "row"])


def chosen_table(table: pd.DataFrame, traces: Sequence[Trace], file: str, unit: str) -> pd.DataFrame:
    """The traces of a set to be read: where each stands (`file:line`, problem, sample), and what it is like.

    The problem's first words are shown with control characters made visible.
    """
    own = table[table["file"] == file].set_index(["problem_id", "sample", "stage"])
    rows = []
    for trace in traces:
        row = own.loc[trace.key]
        known = {name: row[name] for name in ("subject", "level", "base_pass_rate") if pd.notna(row[name])}
        rows.append(
            {"trace": f"{file}:{row['line']}", "problem_id": trace.problem_id, "sample": trace.sample}
            | known
            | {"correct": trace.correct, unit: int(row[unit])}
            | {name: row[name] for name in behaviour_columns(table)}
            | {"problem": visible(trace.problem)[:80]}
        )
    return pd.DataFrame(rows)
