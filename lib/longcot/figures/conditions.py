"""Conditions of a study compared: the arms that show one value of a property, together over draws and problems."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.results import Result, accuracies
from longcot.figures.style import DASHES, GREY, PALETTE, ROW, WIDTH, new_axes
from longcot.figures.ticks import in_percent
from longcot.metrics.draws import draws_difference, draws_interval, draws_spread
from longcot.metrics.intervals import holm

CONDITIONS = ("property", "value", "n_train", "n_draws", "n_problems", "n_samples")
CONDITIONS += ("pass_at_1", "pass_at_1_low", "pass_at_1_high", "lowest", "highest")
CONDITIONS += ("sd_draws", "sd_expected", "sd_own", "mean_tokens", "finished")
CONDITIONS += ("compared_to", "difference", "low", "high", "p_value", "p_corrected")  # columns of tables/curation.csv


def groups_of(results: Sequence[Result]) -> dict[str, dict[str, list[Result]]]:
    """The arms of each property and value, all in the study's order; empty where no arm has a condition."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        for name, value in result.arm.condition.items():
            groups.setdefault(name, {}).setdefault(value, []).append(result)
    return groups


def condition_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a property and value, `CONDITIONS`: what its arms score together. Empty where no arm has a condition.

    `pass_at_1` is the mean over draws and problems with its 95% interval over both (`draws.draws_interval`); `lowest`
    and `highest` are single draws; `sd_draws` is how far draws lie apart, `sd_expected` what chance alone would give
    and `sd_own` what is left for the draws (`draws.draws_spread`). The difference is to the property's first value,
    paired over problems (`draws.draws_difference`); `p_corrected` is Holm's over all differences of the table. Where
    something was foretold of any that is compared, a last column `foretold` has it.
    """
    rows = []
    for name, values in groups_of(results).items():
        tables = {value: accuracies(arms) for value, arms in values.items()}
        first = next(iter(values))
        for value, arms in values.items():
            table, traces = tables[value], [trace for arm in arms for trace in arm.traces]
            mean, spread = draws_interval(table), draws_spread(table)
            sizes = {arm.arm.n_train for arm in arms}
            ends = [trace.finished for trace in traces if trace.finished is not None]
            tokens = [trace.completion_tokens for trace in traces if trace.completion_tokens is not None]
            row = {
                "property": name,
                "value": value,
                "n_train": sizes.pop() if len(sizes) == 1 else None,
                "n_draws": len(arms),
                "n_problems": table.shape[1],
                "n_samples": len(traces),
                "pass_at_1": mean.value,
                "pass_at_1_low": mean.low,
                "pass_at_1_high": mean.high,
                "lowest": table.mean(axis=1).min(),
                "highest": table.mean(axis=1).max(),
                "sd_draws": spread.seen,
                "sd_expected": spread.expected,
                "sd_own": spread.own,
                "mean_tokens": np.mean(tokens) if tokens else np.nan,
                "finished": np.mean(ends) if ends else np.nan,
                "compared_to": "" if value == first else first,
                "foretold": "" if value == first else next((one.arm.foretold for one in arms if one.arm.foretold), ""),
            }
            if value != first:
                gap = draws_difference(tables[first], table)
                row |= {"difference": gap.value, "low": gap.low, "high": gap.high, "p_value": gap.p_value}
            rows.append(row)
    compared = [row for row in rows if row["compared_to"]]
    for row, p_value in zip(compared, holm([row["p_value"] for row in compared]), strict=True):
        row["p_corrected"] = p_value
    foretold = ["foretold"] if any(row["foretold"] for row in rows) else []
    return pd.DataFrame(rows, columns=[*CONDITIONS, *foretold])


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a property, value and arm: its `pass_at_1`. Empty where no arm has a condition."""
    rows = [
        {"property": name, "value": value, "arm": arm.arm.name, "pass_at_1": accuracies([arm]).mean()}
        for name, values in groups_of(results).items()
        for value, arms in values.items()
        for arm in arms
    ]
    return pd.DataFrame(rows, columns=["property", "value", "arm", "pass_at_1"])


def draw(table: pd.DataFrame, together: pd.DataFrame, others: Sequence[Result]) -> Figure:
    """pass@1 of each condition: its draws as points, their mean with 95% interval over draws and problems.

    The means are those of `condition_table`, `together`; `others` are arms whose lines there are to compare with.
    """
    figure, (axes,) = new_axes(WIDTH + 0.6, 1.1 + 0.8 * ROW * (len(together) + together["property"].nunique()))
    ticks, y = {}, 0
    for name, rows in together.groupby("property", sort=False):
        axes.text(0, y + 0.1, f"{name} ", va="center", ha="right", weight="bold", transform=axes.get_yaxis_transform())
        for row in rows.itertuples():
            y += 1
            ticks[y] = f"{row.value} ({row.n_draws})"
            own = table.query("property == @name and value == @row.value")["pass_at_1"]
            axes.plot(own, [y + 0.2] * len(own), ls="", marker="|", ms=6, color=GREY, alpha=0.8)
            interval = [[row.pass_at_1 - row.pass_at_1_low], [row.pass_at_1_high - row.pass_at_1]]
            axes.errorbar(row.pass_at_1, y - 0.15, xerr=interval, capsize=2.5, marker="o", ms=4.5, color=PALETTE[0])
        y += 1
    lines = [
        axes.axvline(
            other.scores["pass_at_1"], color=GREY, lw=0.9, ls=DASHES[1 + i % 3], label=other.arm.name, zorder=0
        )
        for i, other in enumerate(others)
    ]
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(y - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-0.01, 1.02)
    in_percent(axes.xaxis)
    axes.set_xlabel("pass@1, with 95% interval over draws and problems")
    axes.grid(axis="x")
    keys = [Line2D([], [], color=PALETTE[0], marker="o", ms=4.5, label="mean (of so many draws)")]
    keys.append(Line2D([], [], color=GREY, marker="|", ls="", label="one draw"))
    keys += lines
    lengths = [len(str(key.get_label())) for key in keys]
    columns = 4 if sum(lengths) <= 60 else 3 if max(lengths) <= 24 else 2 if max(lengths) <= 40 else 1
    figure.legend(handles=keys, loc="outside lower center", ncols=columns, handlelength=2.4)
    return figure
