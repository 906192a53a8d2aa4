"""The graded traces of a study's arms, read for its tables, and what all tables of arms begin with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from longcot.figures.task import PlotTask
from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import LOSS
from longcot.grading.grade import group_equivalent
from longcot.metrics.scores import score_arm
from longcot.problems.problem import Problem
from longcot.traces.behaviours import BEHAVIOURS, behaviour_spans
from longcot.traces.trace import Trace, iter_placed, trace_at
from longcot.traces.words import split_words

WHO = ("arm", "source", "role", "n_train")
SCORES = ("pass_at_1", "pass_at_1_low", "pass_at_1_high", "maj_at_k", "k")
SCORES += ("mean_tokens", "finished", "n_problems", "n_samples")
SAMPLES = 4  # of each problem, whose texts are searched for behaviours


@dataclass(frozen=True)
class Result:
    """An arm's graded traces, in the benchmark's order, with what the tables need of each.

    `ids` are those of answers among their problem's, `words` the lengths; `behaviours` are counts, in the order of
    `BEHAVIOURS`, of the first `SAMPLES` samples, None for the others. The texts are left in the file: those of a whole
    study need not fit into memory. `starts` are the bytes at which their lines begin, for the few that are shown.
    `arms` and `sources` are all of the study's, in its order: an arm's marker and colour go by its place in them.
    """

    arm: PlotTask
    source: str
    role: Literal["main", "fine-tuned", "reference"]
    path: Path
    traces: list[Trace]
    ids: list[int]
    words: list[int]
    behaviours: list[tuple[int, ...] | None]
    starts: list[int]
    loss_log: Path | None
    arms: tuple[str, ...]
    sources: tuple[str, ...]

    @cached_property
    def scores(self) -> dict[str, float]:
        """`SCORES` over the whole benchmark, and what else `metrics.score_arm` gives."""
        return score_arm(self.traces, self.ids)

    def whole(self, row: int) -> Trace:
        """One of the traces with its text. Raises BadInput where the file was written anew since."""
        return trace_at(self.path, self.starts[row], self.traces[row].key)


def read_results(
    run_dir: str | Path, arms: Sequence[PlotTask], problems: Sequence[Problem], main_arm: str
) -> list[Result]:
    """The results of a study's arms, in its order.

    With `problems` (the benchmark) every arm must have traces of each of them and of no other; without, arms bring
    problems of their own. Raises BadInput for names that are not there, and for a file of traces that is missing, not
    whole or not graded.
    """
    names = tuple(arm.name for arm in arms)
    if len(set(names)) < len(names):
        raise BadInput(f"arms: a name stands twice in {', '.join(names)}; give each arm a name of its own")
    if main_arm not in names:
        raise BadInput(f"main_arm: no arm {main_arm!r}; use one of {', '.join(names) or 'none, as there is no arm'}")
    given = {arm.data for arm in arms}
    sources = [arm.data or (arm.model if arm.model in given else "") for arm in arms]
    order = {problem.id: place for place, problem in enumerate(problems)}
    results = []
    for arm, source in zip(tqdm(arms, desc="read", unit="arm"), sources, strict=True):
        path = Path(run_dir) / arm.traces
        read = [
            (trace.model_copy(update={"text": ""}), len(split_words(trace.text)), _behaviours(trace), start)
            for start, trace in iter_placed(path)
        ]
        read.sort(key=lambda row: (order.get(row[0].problem_id, 0), *row[0].key))
        traces = [trace for trace, *_ in read]
        _check(traces, order, path)
        results.append(
            Result(
                arm=arm,
                source=source,
                role="main" if arm.name == main_arm else "fine-tuned" if arm.n_train else "reference",
                path=path,
                traces=traces,
                ids=_answer_ids(traces),
                words=[words for _, words, _, _ in read],
                behaviours=[counts for _, _, counts, _ in read],
                starts=[start for *_, start in read],
                loss_log=Path(run_dir) / arm.adapter / LOSS if arm.adapter else None,
                arms=names,
                sources=tuple(dict.fromkeys(filter(None, sources))),
            )
        )
    return results


def best_first(results: Sequence[Result]) -> list[str]:
    """The names of the arms by their pass@1, the best first: their order in all figures and tables."""
    return [one.arm.name for one in sorted(results, key=lambda one: -one.scores["pass_at_1"])]


def one_by_one(results: Sequence[Result]) -> list[Result]:
    """The arms to be shown one by one: those without a condition that are trained to their end, and the main one."""
    return [result for result in results if result.role == "main" or not (result.arm.condition or result.arm.early)]


def _behaviours(trace: Trace) -> tuple[int, ...] | None:
    """How often a text shows each behaviour; not looked for beyond the first samples, as it takes long."""
    if trace.sample >= SAMPLES:
        return None
    counts = Counter(span.behaviour for span in behaviour_spans(trace.text))
    return tuple(counts[name] for name in BEHAVIOURS)


def _check(traces: Sequence[Trace], order: dict[str, int], path: Path) -> None:
    if not traces:
        raise BadInput(f"{display_path(path)}: no trace in it; generate them first")
    for trace in traces:
        if trace.correct is None:
            raise BadInput(f"{display_path(path)}: {trace.key} is not graded; run longcot regrade on the file")
        if order and trace.problem_id not in order:
            raise BadInput(
                f"{display_path(path)}: {trace.problem_id!r} is not in the benchmark; fix problems or the file"
            )
    if missing := order.keys() - {trace.problem_id for trace in traces}:
        raise BadInput(
            f"{display_path(path)}: {len(missing)} of {len(order)} problems have no trace; generate the rest first"
        )


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


def who(result: Result) -> dict[str, Any]:
    """What a row of a table of arms begins with."""
    return {"arm": result.arm.name, "source": result.source, "role": result.role, "n_train": result.arm.n_train}


def tidy(rows: list[dict[str, Any]], columns: Sequence[str], results: Sequence[Result]) -> pd.DataFrame:
    """The rows as a table of `WHO` and `columns`, arms and sources being categories in the study's order.

    `results` are some of the study's.
    """
    table = pd.DataFrame(rows, columns=[*WHO, *(column for column in columns if column not in WHO)])
    table["arm"] = pd.Categorical(table["arm"], results[0].arms)
    table["source"] = pd.Categorical(table["source"], [*results[0].sources, ""])
    return table


def accuracies(results: Sequence[Result]) -> np.ndarray:
    """Arms by problems: each one's accuracy on each problem. Raises BadInput where arms are on different problems."""
    rows, names = [], None
    for result in results:
        verdicts: dict[str, list[bool]] = {}
        for trace in result.traces:
            verdicts.setdefault(trace.problem_id, []).append(bool(trace.correct))
        names = names or list(verdicts)
        if verdicts.keys() != set(names):
            raise BadInput(
                f"arms {results[0].arm.name} and {result.arm.name} of one condition are on different problems; "
                "give the study a benchmark"
            )
        rows.append([np.mean(verdicts[name]) for name in names])
    return np.array(rows)


def length_unit(results: Sequence[Result]) -> str:
    """The unit of responses' lengths: tokens of the arm's model where all traces say them, else words for all arms."""
    return "tokens" if all(t.completion_tokens is not None for r in results for t in r.traces) else "words"


def undecided_text(results: Sequence[Result]) -> str:
    """A sentence on the answers, by arm, that could not be compared with their reference in time; empty for none."""
    counts = [(result, sum(trace.undecided for trace in result.traces)) for result in results]
    told = ", ".join(f"{result.arm.name} {count} of {len(result.traces)}" for result, count in counts if count)
    said = "Undecided in the time of a comparison, counted as wrong (`longcot regrade` tries again)"
    return f"{said}: {told}." if told else ""
