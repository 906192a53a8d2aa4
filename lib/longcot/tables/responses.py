"""Tables of responses: how long they are and how they end, and which behaviours they show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from longcot.behaviours import BEHAVIOURS
from longcot.tables.results import Result, tidy, who

# Any other finish reason, or none: not stated.
ENDINGS = {"stop": "finished", "length": "cut off", "overflow": "cut off"}
QUANTILES = {"p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}


def _unit(results: Sequence[Result]) -> str:
    """Tokens of the arm's model where all traces say them, else words for all arms."""
    return "tokens" if all(t.completion_tokens is not None for r in results for t in r.traces) else "words"


def lengths_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and ending of its responses: count `n`, `share` of the arm's, mean and quantiles of the length.

    Lengths are in `unit`: tokens of the arm's model where all traces say them, else words for all arms.
    """
    unit, rows = _unit(results), []
    for result in results:
        lengths: dict[str, list[int]] = {ending: [] for ending in (*ENDINGS.values(), "not stated")}
        for trace, words in zip(result.traces, result.words, strict=True):
            length = trace.completion_tokens if unit == "tokens" else words
            lengths[ENDINGS.get(trace.finish_reason or "", "not stated")].append(length)
        for ending, values in lengths.items():
            if values:
                figures = {"n": len(values), "share": len(values) / len(result.traces), "mean": np.mean(values)}
                quantiles = zip(QUANTILES, np.percentile(values, list(QUANTILES.values())), strict=True)
                rows.append(who(result) | {"unit": unit, "ending": ending} | figures | dict(quantiles))
    return tidy(rows, ("unit", "ending", "n", "share", "mean", *QUANTILES), results)


def behaviours_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and behaviour: how often its responses show it (`count`), and the `rate` in 1,000 of their length.

    Over the first `results.SAMPLES` samples of each problem, all of them together; lengths as in `lengths_table`.
    """
    unit, rows = _unit(results), []
    for result in results:
        counts, length = np.zeros(len(BEHAVIOURS), dtype=int), 0
        for trace, words, shown in zip(result.traces, result.words, result.shown, strict=True):
            if shown is not None:
                counts += shown
                length += trace.completion_tokens if unit == "tokens" else words
        for name, count in zip(BEHAVIOURS, counts.tolist(), strict=True):
            rate = 1000 * count / length if length else 0.0
            rows.append(who(result) | {"unit": unit, "behaviour": name, "count": count, "length": length, "rate": rate})
    return tidy(rows, ("unit", "behaviour", "count", "length", "rate"), results)
