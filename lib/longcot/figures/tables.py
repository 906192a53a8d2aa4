"""The tables of a study's results: what is written under `tables/`, and how a notebook shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from longcot.figures import accuracy_by_part, ranked_arms
from longcot.figures.conditions import condition_table
from longcot.figures.differences import differences_table
from longcot.figures.published import claims_table, rows_table
from longcot.figures.results import SCORES, Result
from longcot.figures.style import in_order
from longcot.figures.task import PlotTask, said_instead
from longcot.files.manifest import Product, read_manifest
from longcot.files.run_directory import table as table_path
from longcot.files.writing import write_table
from longcot.problems.problem import Problem
from longcot.study.published import Counterparts

ARMS = ("arm", "model", "n_train", *SCORES)  # the columns of tables/arms.csv
BREAKDOWN = ("arm", "by", "value", *SCORES)  # and of tables/breakdown.csv


@dataclass(frozen=True)
class Tables:
    """All tables of a study's results; `making` is that of tables/arms.csv, whose manifest ends an evaluation."""

    run_dir: Path
    making: Product
    arms: pd.DataFrame
    breakdown: pd.DataFrame
    differences: pd.DataFrame
    conditions: pd.DataFrame  # tables/curation.csv
    claims: pd.DataFrame
    published: pd.DataFrame

    def write(self) -> None:
        """Write them under `tables/`, and last the manifest: to be called when all figures are there.

        There is no curation.csv where no arm has a condition.
        """
        for name in ("breakdown", "differences", "claims", "published"):
            write_table(self.run_dir / table_path(name), getattr(self, name))
        if len(self.conditions):
            write_table(self.run_dir / table_path("curation"), self.conditions)
        write_table(self.making.path, self.arms)
        self.making.finish()


def make_tables(
    run_dir: Path,
    results: Sequence[Result],
    benchmark: Sequence[Problem],
    corrections: Mapping[str, str],
    problems: Mapping[str, Any],
    published: Mapping[str, Any],
) -> Tables:
    """The tables of a study's results, begun: the manifest of an evaluation that differs is taken away.

    `problems` (where the benchmark is from) and `published` (which arms answer to which published figures) are the
    parameters of notebook 04.
    """
    recipe = {
        "arms": [result.arm.recipe() for result in results],
        "problems": problems,
        "main_arm": next(result.arm.name for result in results if result.role == "main"),
        "corrections": corrections,
        "published": published,
    }
    making = Product(run_dir / table_path("arms"), recipe, [result.path for result in results])
    scores, beside = ranked_arms.table(results), Counterparts(**published)
    breakdown = accuracy_by_part.table(results, benchmark, corrections)
    return Tables(
        run_dir=run_dir,
        making=making,
        arms=scores[list(ARMS)],
        breakdown=breakdown[list(BREAKDOWN)],
        differences=differences_table(results),
        conditions=condition_table(results),
        claims=claims_table(beside, results),
        published=rows_table(beside, scores, breakdown),
    )


def rounded(
    table: pd.DataFrame,
    columns: Sequence[str] | None = None,
    index: Sequence[str] = ("arm",),
    order: Sequence[str] = (),
) -> pd.DataFrame | None:
    """A table (or some columns of it) as a notebook shows it, numbers short, its arms in `order` where one is given.

    None where it has no row.
    """
    if table.empty:
        return None
    table = in_order(table, order) if order else table
    table = table.set_index(list(index))
    table = table[list(columns)] if columns else table
    p_values = {name: table[name].map("{:.2g}".format, na_action="ignore") for name in table if name.startswith("p_")}
    table = table.round(3).assign(**p_values)
    return table.rename_axis(index=None, columns=index[0]) if len(index) == 1 else table


def label_scores(breakdown: pd.DataFrame) -> pd.DataFrame | None:
    """Each arm's scores with the benchmark's own labels and with corrected ones; None where none are corrected."""
    rows = breakdown[breakdown["by"] == "labels"]
    if rows.empty:
        return None
    scores = ["pass_at_1", "maj_at_k"]
    return rows.pivot_table(index="arm", columns="value", values=scores, sort=False, observed=True).round(3)


def what_arms_are(arms: Sequence[PlotTask], run_dir: Path) -> pd.DataFrame:
    """One row an arm: its model, whose traces it was given and how many, what it shows and overrides.

    The last two only where any arm does, as the chat template, where a model was not spoken to in its own.
    """
    rows = [
        arm.model_dump(include={"model", "n_train", "data"})
        | {"condition": ", ".join(f"{name}: {value}" for name, value in arm.condition.items())}
        | {"in place of the study's settings": said_instead(arm.own)}
        | {"chat template": read_manifest(run_dir / arm.traces).get("chat_template", "")}
        for arm in arms
    ]
    table = pd.DataFrame(rows, index=[arm.name for arm in arms]).rename_axis(columns="arm")
    return table.drop(columns=[name for name in table.columns[-3:] if not table[name].any()])
