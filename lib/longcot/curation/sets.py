"""The sets of traces that a study chose: what filters made of the pools, where the chosen lie, and each one's place.

A set is an arm's, or those of all arms of one condition together. Tables name a trace by its row in the table of all
measured traces (`analysis.pools_table`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from longcot.curation import Filtered
from longcot.curation.analysis import behaviour_columns
from longcot.curation.data_sheet import read_rows
from longcot.traces import Trace
from longcot.untrusted import visible

PARTS = ("pool", "left", "chosen")  # all traces of a set's pool, those that its filters left, those that it took
QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}

Curated = Sequence[tuple[dict[str, Any], Filtered]]  # what `arms.curate_arms` gives back, an arm each


def set_name(arm: Mapping[str, Any]) -> str:
    """The set that an arm belongs to: its condition's values, or its own name."""
    return ", ".join(f"{name}: {value}" for name, value in arm.get("condition", {}).items()) or arm["name"]


def chosen_traces(arm: Mapping[str, Any], filtered: Filtered, run_dir: Path) -> list[Trace]:
    """The traces of an arm's training set, in its order. Raises BadInput where the set is missing or is none."""
    by_key = {trace.key: trace for trace in filtered.kept}
    rows = read_rows(run_dir / arm["training_set"])
    return [by_key[row["problem_id"], row["sample"], arm["stage"]] for row in rows]


def fates_table(arms: Sequence[Mapping[str, Any]], curated: Curated) -> pd.DataFrame:
    """One row a set and fate: how many traces of its pool each filter removed, in order, and how many were `left`.

    What any arm of a set leaves is left. Sets that filter the same traces in the same way are one row, named by the
    first of them with how many more there are. `share` is of the pool.
    """
    ways: dict[str, dict[tuple[str, str, str], Filtered]] = {}
    for arm, (_, filtered) in zip(arms, curated, strict=True):
        way = (arm["traces"], arm["stage"], str(arm["filters"]))
        ways.setdefault(set_name(arm), {})[way] = filtered
    alike: dict[tuple, list[str]] = {}
    for name, own in ways.items():
        alike.setdefault(tuple(sorted(own)), []).append(name)
    rows = []
    for first, *more in alike.values():
        fates: dict[tuple, str] = {}
        order: dict[str, int] = {}
        for (file, *_), filtered in ways[first].items():
            order |= {label.split(" (")[0]: 0 for label in filtered.removed}
            fates = {(file, *key): label.split(" (")[0] for key, (label, _) in filtered.fates.items()} | fates
            fates |= {(file, *trace.key): "left" for trace in filtered.kept}
        counts = order | {"left": 0}
        for fate in fates.values():
            counts[fate] += 1
        told = f"{first} and {len(more)} more" if more else first
        rows += [
            {"set": told, "fate": fate, "traces": count, "share": count / len(fates)} for fate, count in counts.items()
        ]
    return pd.DataFrame(rows)


def members_table(
    table: pd.DataFrame, arms: Sequence[Mapping[str, Any]], curated: Curated, run_dir: Path
) -> pd.DataFrame:
    """One row a set, part (`PARTS`) and trace: its `row` in `table`, and for chosen ones the `arm` that took it.

    Raises BadInput where a training set is missing.
    """
    place = {
        (file, problem, int(sample), stage): row
        for row, file, problem, sample, stage in table[["file", "problem_id", "sample", "stage"]].itertuples()
    }
    members: dict[tuple[str, str, str, int], None] = {}
    for arm, (_, filtered) in zip(arms, curated, strict=True):
        parts = zip(PARTS, (filtered.given, filtered.kept, chosen_traces(arm, filtered, run_dir)), strict=True)
        for part, traces in parts:
            who = (set_name(arm), part, arm["name"] if part == "chosen" else "")
            members |= dict.fromkeys((*who, place[arm["traces"], *trace.key]) for trace in traces)
    return pd.DataFrame(list(members), columns=["set", "part", "arm", "row"])


def spread_table(members: pd.DataFrame, table: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row a set, part and measure: how many traces have it, and its quantiles (`QUANTILES`)."""
    rows = []
    for (name, part), own in members.groupby(["set", "part"], sort=False):
        for measure in measures:
            values = table.loc[own["row"], measure].dropna()
            if len(values):
                found = {column: values.quantile(share) for column, share in QUANTILES.items()}
                rows.append({"set": name, "part": part, "measure": measure, "traces": len(values)} | found)
    return pd.DataFrame(rows)


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
