"""Tidy tables out of a study's graded traces: what every figure and every CSV of results is made from.

Each table of arms begins with who the arm is: `arm`, `source` (whose traces it learnt from, or which model it is),
`role` and `n_train`. `arm` and `source` are categories in the study's order, which is the order of rows and colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from longcot.errors import BadInput
from longcot.files import shown
from longcot.grading import group_equivalent, is_equivalent
from longcot.metrics import holm, paired_difference, score_arm
from longcot.problems import Problem, first_error
from longcot.traces import Trace, iter_traces

WHO = ("arm", "source", "role", "n_train")
SCORES = ("pass_at_1", "pass_at_1_low", "pass_at_1_high", "maj_at_k", "k")
SCORES += ("mean_tokens", "finished", "n_problems", "n_samples")
ARMS = ("arm", "model", "n_train", *SCORES)  # the columns of tables/arms.csv
BREAKDOWN = ("arm", "by", "value", *SCORES)  # the columns of tables/breakdown.csv
PARTS = ("subset", "level", "subject")  # what a benchmark is broken down by
# Any other finish reason, or none: not stated.
ENDINGS = {"stop": "finished", "length": "cut off", "overflow": "cut off"}
QUANTILES = {"p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}


class Arm(BaseModel):
    """An arm as notebook 04 is given it; its paths are relative to the run directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    model: str
    traces: str
    n_train: int = Field(0, ge=0)  # traces it was fine-tuned on in this study
    data: str = ""  # whose traces it was given, to learn from or in its prompt
    adapter: str = ""
    condition: dict[str, str] = {}  # property: value, of an arm that is reported with others (see `conditions`)


@dataclass(frozen=True)
class Result:
    """An arm's graded traces, in the benchmark's order, with the id of each answer among its problem's and the words.

    The texts are left in the file: those of a whole study need not fit into memory.
    """

    arm: Arm
    source: str
    role: Literal["main", "fine-tuned", "reference"]
    path: Path
    traces: list[Trace]
    ids: list[int]
    words: list[int]
    loss_log: Path | None


def read_results(
    run_dir: str | Path, arms: Sequence[dict[str, Any]], problems: Sequence[Problem], main_arm: str
) -> list[Result]:
    """The results of a study's arms, in its order.

    With `problems` (the benchmark) every arm must have traces of each of them and of no other; without, arms bring
    problems of their own. Raises BadInput for a wrong arm, or for a file of traces that is missing, not whole or not
    graded.
    """
    chosen = [_arm(arm) for arm in arms]
    names = [arm.name for arm in chosen]
    if len(set(names)) < len(names):
        raise BadInput(f"arms: a name stands twice in {', '.join(names)}; give each arm a name of its own")
    if main_arm not in names:
        raise BadInput(f"main_arm: no arm {main_arm!r}; use one of {', '.join(names) or 'none, as there is no arm'}")
    sources = {arm.data for arm in chosen}
    order = {problem.id: place for place, problem in enumerate(problems)}
    results = []
    for arm in tqdm(chosen, desc="read", unit="arm"):
        path = Path(run_dir) / arm.traces
        read = [(trace.model_copy(update={"text": ""}), len(trace.text.split())) for trace in iter_traces(path)]
        read.sort(key=lambda pair: (order.get(pair[0].problem_id, 0), *pair[0].key))
        traces = [trace for trace, _ in read]
        _check(traces, order, path)
        results.append(
            Result(
                arm,
                arm.data or (arm.model if arm.model in sources else ""),
                "main" if arm.name == main_arm else "fine-tuned" if arm.n_train else "reference",
                path,
                traces,
                _answer_ids(traces),
                [words for _, words in read],
                Path(run_dir) / arm.adapter / "loss.csv" if arm.adapter else None,
            )
        )
    return results


def _arm(arm: dict[str, Any]) -> Arm:
    try:
        return Arm.model_validate(arm)
    except ValidationError as error:
        raise BadInput(f"arms: {arm}: {first_error(error)}; mend the parameter") from None


def _check(traces: Sequence[Trace], order: dict[str, int], path: Path) -> None:
    if not traces:
        raise BadInput(f"{shown(path)}: no trace in it; generate them first")
    for trace in traces:
        if trace.correct is None:
            raise BadInput(f"{shown(path)}: {trace.key} is not graded; run python -m longcot.regrade on the file")
        if order and trace.problem_id not in order:
            raise BadInput(f"{shown(path)}: {trace.problem_id!r} is not in the benchmark; mend problems or the file")
    if missing := order.keys() - {trace.problem_id for trace in traces}:
        raise BadInput(f"{shown(path)}: {len(missing)} of {len(order)} problems have no trace; generate the rest first")


def _answer_ids(traces: Sequence[Trace]) -> list[int]:
    """For each trace the id of its answer, equivalent answers of one problem having the same."""
    rows: dict[str, list[int]] = {}
    for row, trace in enumerate(traces):
        rows.setdefault(trace.problem_id, []).append(row)
    ids = [-1] * len(traces)
    for places in rows.values():
        for place, found in zip(places, group_equivalent([traces[row].answer for row in places]), strict=True):
            ids[place] = found
    return ids


def _who(result: Result) -> dict[str, Any]:
    return {"arm": result.arm.name, "source": result.source, "role": result.role, "n_train": result.arm.n_train}


def _table(rows: list[dict[str, Any]], columns: Sequence[str], results: Sequence[Result]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*WHO, *(column for column in columns if column not in WHO)])
    sources = dict.fromkeys(result.source for result in results if result.source)
    table["arm"] = pd.Categorical(table["arm"], [result.arm.name for result in results])
    table["source"] = pd.Categorical(table["source"], [*sources, ""])
    return table


def arms_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm: `WHO` and `ARMS`, over the whole benchmark (see `metrics.score_arm`)."""
    rows = [_who(r) | {"model": r.arm.model} | score_arm(r.traces, r.ids) for r in results]
    return _table(rows, ARMS, results)


def with_labels(result: Result, labels: Mapping[str, str]) -> list[Trace]:
    """The traces of a result with the verdicts that other labels (problem id to expected answer) give."""
    traces = list(result.traces)
    for row, trace in enumerate(traces):
        if trace.problem_id in labels:
            right = bool(trace.answer) and is_equivalent(trace.answer, labels[trace.problem_id])
            traces[row] = trace.model_copy(update={"correct": right})
    return traces


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
            rows.append(_who(result) | {"by": "labels", "value": value} | score_arm(traces, result.ids))
    for by in PARTS:
        part_of = {problem.id: getattr(problem, by) for problem in problems}
        parts = dict.fromkeys(part for part in part_of.values() if part is not None)
        if all(part.isdecimal() for part in parts):
            parts = sorted(parts, key=int)
        for result in results:
            for part in parts:
                kept = [i for i, trace in enumerate(result.traces) if part_of[trace.problem_id] == part]
                scores = score_arm([result.traces[i] for i in kept], [result.ids[i] for i in kept])
                rows.append(_who(result) | {"by": by, "value": part} | scores)
    return _table(rows, BREAKDOWN, results)


def lengths_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and ending of its responses: count `n`, `share` of the arm's, mean and quantiles of the length.

    Lengths are in `unit`: tokens of the arm's model where all traces say them, else words for all arms.
    """
    unit = "tokens" if all(t.completion_tokens is not None for r in results for t in r.traces) else "words"
    rows = []
    for result in results:
        lengths: dict[str, list[int]] = {ending: [] for ending in (*ENDINGS.values(), "not stated")}
        for trace, words in zip(result.traces, result.words, strict=True):
            length = trace.completion_tokens if unit == "tokens" else words
            lengths[ENDINGS.get(trace.finish_reason or "", "not stated")].append(length)
        for ending, values in lengths.items():
            if values:
                figures = {"n": len(values), "share": len(values) / len(result.traces), "mean": np.mean(values)}
                quantiles = zip(QUANTILES, np.percentile(values, list(QUANTILES.values())), strict=True)
                rows.append(_who(result) | {"unit": unit, "ending": ending} | figures | dict(quantiles))
    return _table(rows, ("unit", "ending", "n", "share", "mean", *QUANTILES), results)


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
            rows.append(_who(result) | paired_difference(*pair))
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_corrected"] = p_value
    return _table(rows, ("difference", "low", "high", "p_value", "p_corrected", "n_problems"), results)


def loss_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a training step of each arm that has a loss log: `step`, `epoch`, `loss` (nats a token)."""
    rows = []
    for result in results:
        if result.loss_log and result.loss_log.is_file():
            log = pd.read_csv(result.loss_log)
            if missing := {"step", "epoch", "loss"} - set(log.columns):
                raise BadInput(f"{shown(result.loss_log)}: no column {', '.join(sorted(missing))}; train the arm again")
            rows += [_who(result) | row for row in log[["step", "epoch", "loss"]].to_dict("records")]
    return _table(rows, ("step", "epoch", "loss"), results)
