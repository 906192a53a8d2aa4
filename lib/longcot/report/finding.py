"""What a study found, in a few sentences and a table of a few rows: how its report opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from longcot.figures.task import PlotTask
from longcot.files.run_directory import table

MOST = 6  # rows


@dataclass(frozen=True)
class Row:
    """An arm in short: percent right with the 95% interval over problems, mean tokens of an answer."""

    arm: str
    learnt: str
    right: str
    tokens: str


@dataclass(frozen=True)
class Finding:
    """The sentences and the rows; both empty where nothing was evaluated."""

    sentences: list[str]
    rows: list[Row]


def find(run: Path, arms: Sequence[PlotTask], main_arm: str) -> Finding:
    """What the tables of a run say of its arms; empty where there are none of these arms."""
    scores = _by_arm(run / table("arms"))
    arms = [arm for arm in arms if arm.name in scores.index]
    if main_arm not in {arm.name for arm in arms}:
        return Finding([], [])
    best = _best(arms, scores)
    teachers = [arm for arm in arms if arm.model in best and not arm.data and arm.name != main_arm]
    others = teachers if best else [arm for arm in arms if arm.name != main_arm]
    others = sorted(others, key=lambda arm: -scores.pass_at_1[arm.name])
    tuned = [arm for arm, _ in best.values()]
    room = MOST - 1 - min(len(others), max(1, MOST - 1 - len(tuned)))
    main = next(arm for arm in arms if arm.name == main_arm)
    shown = [main, *tuned[:room]]
    shown += others[: MOST - len(shown)]
    shown.sort(key=lambda arm: (arm.name != main_arm, -scores.pass_at_1[arm.name]))
    rows = [Row(arm.name, _learnt(arm, best), _right(scores.loc[arm.name]), _tokens(scores, arm)) for arm in shown]
    return Finding(_sentences(run, main, best, others, scores), rows)


def _by_arm(file: Path) -> pd.DataFrame:
    """A table with a row an arm, whatever its name looks like; empty where there is none."""
    if not file.is_file():
        return pd.DataFrame()
    return pd.read_csv(file, dtype={"arm": str}, keep_default_na=False, na_values=[""]).set_index("arm")


def _best(arms: Sequence[PlotTask], scores: pd.DataFrame) -> dict[str, tuple[PlotTask, int]]:
    """For each source of traces the fine-tuned arm that gets most right, of how many; the best source first."""
    found: dict[str, list[PlotTask]] = {}
    for arm in arms:
        if arm.n_train:
            found.setdefault(arm.data, []).append(arm)
    best = {source: (max(own, key=lambda arm: scores.pass_at_1[arm.name]), len(own)) for source, own in found.items()}
    return dict(sorted(best.items(), key=lambda pair: -scores.pass_at_1[pair[1][0].name]))


def _learnt(arm: PlotTask, best: dict[str, tuple[PlotTask, int]]) -> str:
    if arm.n_train:
        many = best[arm.data][1]
        return f"{_traces(arm)}{f'; the best of {many} arms' if many > 1 else ''}"
    if arm.data:
        return f"nothing; traces of {arm.data} in its prompt"
    return "nothing here; a teacher" if arm.model in best else "nothing"


def _traces(arm: PlotTask) -> str:
    return f"{arm.n_train} {'trace' if arm.n_train == 1 else 'traces'} of {arm.data}"


def _right(row: pd.Series) -> str:
    return f"{_percent(row.pass_at_1)} ({_percent(row.pass_at_1_low)} to {_percent(row.pass_at_1_high)})"


def _tokens(scores: pd.DataFrame, arm: PlotTask) -> str:
    tokens = scores.mean_tokens[arm.name]
    return "" if pd.isna(tokens) else f"{tokens:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _sentences(
    run: Path,
    main: PlotTask,
    best: dict[str, tuple[PlotTask, int]],
    others: Sequence[PlotTask],
    scores: pd.DataFrame,
) -> list[str]:
    own = scores.loc[main.name]
    said = [f"{main.name} gets {_percent(own.pass_at_1)}% of {own.n_problems:,.0f} problems right."]
    for source, (arm, _) in list(best.items())[:1]:
        now = _percent(scores.pass_at_1[arm.name])
        said[0] = f"{said[0][:-1]}; fine-tuned on {_traces(arm)} ({arm.name}) it gets {now}%{_apart(run, arm.name)}."
        weaker = [f"{_percent(scores.pass_at_1[one.name])}% with traces of {name}" for name, (one, _) in best.items()]
        teacher = next((one for one in others if one.model == source), None)
        rest = [f"{teacher.name} itself gets {_percent(scores.pass_at_1[teacher.name])}%"] if teacher else []
        rest += [f"the best of other sources: {', '.join(weaker[1:])}"] if weaker[1:] else []
        said += [f"{'; '.join(rest)}.".capitalize() if not teacher else f"{'; '.join(rest)}."] if rest else []
    if not best and others:
        said.append(f"The best arm is {others[0].name} with {_percent(scores.pass_at_1[others[0].name])}%.")
    return said + _conditions(run)


def _apart(run: Path, arm: str) -> str:
    """The paired difference of an arm to the main one, in half a sentence."""
    rows = _by_arm(run / table("differences"))
    if arm not in rows.index:
        return ""
    row = rows.loc[arm]
    p = "p < 0.001" if row.p_corrected < 0.001 else f"p = {row.p_corrected:.2g}"
    points = f"{100 * row.difference:+.1f} points, {100 * row.low:.1f} to {100 * row.high:.1f}"
    return f" ({points}, paired over problems, {p} after Holm's correction)"


def _conditions(run: Path) -> list[str]:
    """What the comparison of conditions says, where a study has one."""
    file = run / table("curation")
    if not file.is_file():
        return []
    rows = pd.read_csv(file)
    rows = rows[rows["compared_to"].notna()]
    if rows.empty:
        return []
    clear = (rows["p_corrected"] < 0.05).sum()
    most = rows.loc[rows["difference"].abs().idxmax()]
    return [
        f"Of {len(rows)} comparisons of conditions {clear} are significant at 5% after correction; the largest: "
        f"{most.property} {most.value!r} against {most.compared_to!r}, {100 * most.difference:+.1f} points "
        f"({100 * most.low:.1f} to {100 * most.high:.1f})."
    ]
