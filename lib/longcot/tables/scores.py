"""Tables of scores: of arms, against the number of traces, of parts of the benchmark, of differences to one arm."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from longcot.draws import draws_interval
from longcot.grading import compare
from longcot.metrics import holm, paired_difference, score_arm
from longcot.problems import Problem
from longcot.tables.results import Result, accuracies, tidy, who
from longcot.traces import Trace

SCORES = ("pass_at_1", "pass_at_1_low", "pass_at_1_high", "maj_at_k", "k")
SCORES += ("mean_tokens", "finished", "n_problems", "n_samples")
ARMS = ("arm", "model", "n_train", *SCORES)  # the columns of tables/arms.csv
BREAKDOWN = ("arm", "by", "value", *SCORES)  # the columns of tables/breakdown.csv
PARTS = ("subset", "level", "subject")  # what a benchmark is broken down by


def arms_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm: `WHO` and `ARMS`, over the whole benchmark (see `metrics.score_arm`)."""
    rows = [who(r) | {"model": r.arm.model} | score_arm(r.traces, r.ids) for r in results]
    return tidy(rows, ARMS, results)


def by_traces_table(results: Sequence[Result]) -> pd.DataFrame:
    """`arms_table`, and for arms fine-tuned on as many traces of one source their `n_draws` and `mean`.

    `mean_low` and `mean_high` are its 95% interval: of several draws over draws and problems (`draws.draws_interval`),
    of one the arm's own.
    """
    table = arms_table(results)
    draws: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        if result.role == "fine-tuned":
            draws.setdefault((result.source, result.arm.n_train), []).append(result)
    found = {}
    for own in draws.values():
        scores = table.set_index("arm").loc[own[0].arm.name]
        values = [scores[name] for name in ("pass_at_1", "pass_at_1_low", "pass_at_1_high")]
        together = draws_interval(accuracies(own))[:3] if len(own) > 1 else values
        found |= {result.arm.name: (len(own), *together) for result in own}
    columns = ["n_draws", "mean", "mean_low", "mean_high"]
    rows = [found.get(name, (0, np.nan, np.nan, np.nan)) for name in table["arm"]]
    table[columns] = pd.DataFrame(rows, columns=columns, index=table.index)
    return table


def with_labels(result: Result, labels: Mapping[str, str]) -> list[Trace]:
    """The traces of a result with the verdicts that other labels (problem id to expected answer) give."""
    traces = list(result.traces)
    pairs = {
        row: (trace.answer, labels[trace.problem_id])
        for row, trace in enumerate(traces)
        if trace.problem_id in labels and trace.answer
    }
    verdicts = compare(pairs.values())
    for row, pair in pairs.items():
        update = {"correct": bool(verdicts[pair]), "undecided": verdicts[pair] is None}
        traces[row] = traces[row].model_copy(update=update)
    return traces


def undecided_text(results: Sequence[Result]) -> str:
    """A sentence on the answers, by arm, that could not be compared with their reference in time."""
    counts = [(result, sum(trace.undecided for trace in result.traces)) for result in results]
    told = ", ".join(f"{result.arm.name} {count} of {len(result.traces)}" for result, count in counts if count)
    return f"Undecided in the time of a comparison, counted as wrong: {told}." if told else "Every answer was decided."


def breakdown_table(
    results: Sequence[Result], problems: Sequence[Problem], corrections: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row an arm and part of the benchmark: `WHO` and `BREAKDOWN`. Empty where problems say no part.

    `by` is one of `PARTS`, and `value` the subset, level or subject: levels by number, the others as in the benchmark.
    With `corrections` (problem id to corrected answer) there are rows by `labels`, over the whole benchmark, with the
    upstream labels and with the corrected ones.
    """
    rows = []
    for result in results if corrections else []:
        for value, traces in (("upstream", result.traces), ("corrected", with_labels(result, corrections))):
            rows.append(who(result) | {"by": "labels", "value": value} | score_arm(traces, result.ids))
    for by in PARTS:
        part_of = {problem.id: getattr(problem, by) for problem in problems}
        parts = dict.fromkeys(part for part in part_of.values() if part is not None)
        if all(part.isdecimal() for part in parts):
            parts = sorted(parts, key=int)
        for result in results:
            for part in parts:
                kept = [i for i, trace in enumerate(result.traces) if part_of[trace.problem_id] == part]
                scores = score_arm([result.traces[i] for i in kept], [result.ids[i] for i in kept])
                rows.append(who(result) | {"by": by, "value": part} | scores)
    return tidy(rows, BREAKDOWN, results)


def differences_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm but the main one: accuracy minus the main arm's, paired over the problems that both have.

    `low` and `high` are the 95% interval, `p_corrected` is `p_value` after Holm's correction for the number of arms.
    An arm that shares no problem with the main one has no row.
    """
    main = next(result for result in results if result.role == "main")
    rows = []
    for result in results:
        shared = {t.problem_id for t in main.traces} & {t.problem_id for t in result.traces}
        if result is not main and shared:
            pair = ([t for t in r.traces if t.problem_id in shared] for r in (main, result))
            rows.append(who(result) | paired_difference(*pair))
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_corrected"] = p_value
    return tidy(rows, ("difference", "low", "high", "p_value", "p_corrected", "n_problems"), results)
