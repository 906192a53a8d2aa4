"""pass@1 on each part of the benchmark: subset, level, subject; and with corrected labels."""

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from longcot.figures.results import SCORES, Result, tidy, who
from longcot.figures.style import ROW, WIDTH, in_order, label, new_axes, source_colours
from longcot.grading.grade import compare
from longcot.metrics.scores import score_arm
from longcot.problems.problem import Problem
from longcot.traces.trace import Trace

PARTS = ("subset", "level", "subject")  # what a benchmark is broken down by


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


def table(
    results: Sequence[Result], problems: Sequence[Problem], corrections: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row an arm and part of the benchmark: `WHO`, `by`, `value` and `SCORES`. Empty where problems say no part.

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
    return tidy(rows, ("by", "value", *SCORES), results)


def draw(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """pass@1 in percent of each arm on each part of the benchmark, arms in `order`."""
    arms, colours = in_order(table, order), source_colours(table)
    parts = {by: rows["value"].unique() for by, rows in table.groupby("by", sort=False)}
    count, longest = sum(map(len, parts.values())), max(len(name) for values in parts.values() for name in values)
    figure, panels = new_axes(
        max(WIDTH, 1.7 + 0.32 * count),
        1.0 + 0.9 * ROW * len(arms) + 0.07 * longest,
        [len(values) for values in parts.values()],
    )
    for axes, (by, values) in zip(panels, parts.items(), strict=True):
        grid = table[table["by"] == by].pivot(index="arm", columns="value", values="pass_at_1") * 100
        numbers = {"annot": True, "fmt": ".0f", "annot_kws": {"size": 8, "color": "black"}}
        tones = {"cmap": "Greys", "vmin": 0, "vmax": 170, "cbar": False, "linewidths": 0.5}  # light, for black numbers
        sns.heatmap(grid.loc[arms["arm"], values], ax=axes, **numbers, **tones)
        axes.set(xlabel=by, ylabel="")
        axes.tick_params(axis="both", length=0)
        axes.tick_params(axis="x", rotation=90 if max(map(len, values)) > 2 else 0)
    panels[0].set_yticks([i + 0.5 for i in arms.index], [label(arm) for _, arm in arms.iterrows()], rotation=0)
    for tick, source in zip(panels[0].get_yticklabels(), arms["source"], strict=True):
        tick.set_color(colours[source])
    figure.suptitle("pass@1, percent", fontsize="medium")
    return figure
