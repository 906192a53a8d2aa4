"""A sentence on each figure that says what this study's arms show in it, from the table that it is drawn from."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from longcot.files.run_directory import figure


def caption(run: Path, name: str) -> str:
    """The sentence on a figure of a run; empty for a figure that has none, or whose table has no such columns."""
    file = run / f"{figure(name)}.csv"
    if name not in CAPTIONS or not file.is_file():
        return ""
    table = pd.read_csv(file, dtype={"arm": str}, keep_default_na=False, na_values=[""])
    return CAPTIONS[name](table)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _ranked(table: pd.DataFrame) -> str:
    rows = table.sort_values("pass_at_1", ascending=False)
    first, last = rows.iloc[0], rows.iloc[-1]
    if len(rows) == 1:
        return f"{first['arm']} gets {_percent(first['pass_at_1'])} right."
    best, worst = (f"{row['arm']} ({_percent(row['pass_at_1'])})" for row in (first, last))
    return f"{len(rows)} arms, from {best} to {worst}."


def _by_traces(table: pd.DataFrame) -> str:
    tuned = table[table["role"] == "fine-tuned"].sort_values("n_train")
    parts = []
    for source, rows in tuned.groupby("source", sort=False):
        ends = rows.drop_duplicates("n_train").iloc[[0, -1]].drop_duplicates("n_train")
        parts.append(f"{source} " + ", ".join(f"{_percent(row.mean)} at {row.n_train}" for row in _records(ends)))
    return f"Mean by the source of the traces: {'; '.join(parts)}."


def _records(table: pd.DataFrame) -> list:
    return list(table.itertuples())


def _differences(table: pd.DataFrame) -> str:
    clear = table[table["p_corrected"] < 0.05]
    up, down = (clear["difference"] > 0).sum(), (clear["difference"] < 0).sum()
    return f"Of {len(table)} arms {up} are clearly above and {down} clearly below (p < 0.05, corrected)."


def _parts(table: pd.DataFrame) -> str:
    rows = table[table["by"] != "labels"]
    spread = rows.groupby(["by", "arm"])["pass_at_1"].agg(lambda scores: scores.max() - scores.min())
    if spread.empty:
        return ""
    by, arm = spread.idxmax()
    own = rows[(rows["by"] == by) & (rows["arm"] == arm)].sort_values("pass_at_1")
    worst, best = own.iloc[0], own.iloc[-1]
    ends = (f"{row['value']} ({_percent(row['pass_at_1'])})" for row in (worst, best))
    return f"Widest apart: {arm}, by {by} from {' to '.join(ends)}."


def _curves(table: pd.DataFrame) -> str:
    ends = table.sort_values("k").groupby("arm", sort=False)["value"].agg(["first", "last"])
    arm = (ends["last"] - ends["first"]).idxmax()
    most = table["k"].max()
    values = f"from {_percent(ends.loc[arm, 'first'])} at k = 1 to {_percent(ends.loc[arm, 'last'])} at k = {most}"
    return f"{arm} gains most, {values}."


def _lengths(table: pd.DataFrame) -> str:
    rows = table[table["ending"] != "cut off"].sort_values("p50")
    said = ""
    if len(rows):
        first, last = rows.iloc[0], rows.iloc[-1]
        ends = f"{first['p50']:,.0f} ({first['arm']}) to {last['p50']:,.0f} {last['unit']} ({last['arm']})"
        said = f"Medians go from {ends}."
    cut = table[table["ending"] == "cut off"].sort_values("share")
    return (
        f"{said} Most often cut off: {cut.iloc[-1]['arm']} ({_percent(cut.iloc[-1]['share'])})." if len(cut) else said
    )


def _behaviours(table: pd.DataFrame) -> str:
    most = table.loc[table["rate"].idxmax()]
    return f"Most frequent: {most['behaviour']} in {most['arm']}, {most['rate']:.1f} in 1,000 {most['unit']}."


def _loss(table: pd.DataFrame) -> str:
    ends = table.sort_values("step").groupby("arm", sort=False)["loss"].last()
    low, high = (f"{ends[arm]:.3g} ({arm})" for arm in (ends.idxmin(), ends.idxmax()))
    return f"Last losses of {len(ends)} arms: from {low} to {high}." if len(ends) > 1 else f"Last loss: {low}."


def _filters(table: pd.DataFrame) -> str:
    left = table[table["fate"] == "left"].sort_values("share")
    rows = (left.iloc[0], left.iloc[-1]) if len(left) > 1 else (left.iloc[0],)
    return "Left: " + ", ".join(f"{_percent(row['share'])} of {row['set']}" for row in rows) + "."


CAPTIONS: dict[str, Callable[[pd.DataFrame], str]] = {
    "ranked_arms": _ranked,
    "accuracy_by_traces": _by_traces,
    "differences": _differences,
    "accuracy_by_part": _parts,
    "pass_at_k": _curves,
    "votes": _curves,
    "response_lengths": _lengths,
    "behaviours": _behaviours,
    "training_loss": _loss,
    "curation_filters": _filters,
}
