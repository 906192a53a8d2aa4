"""Tables of several samples a problem: pass@k and majority votes against k."""

from collections.abc import Callable, Sequence

import pandas as pd

from longcot.intervals import mean_interval
from longcot.metrics import majority_at_k, pass_at_k
from longcot.tables.results import Result, tidy, who

COLUMNS = ("k", "value", "low", "high", "n_problems")


def sample_counts(most: int) -> list[int]:
    """The k to look at, up to `most` samples a problem: each up to 8, then powers of two, and `most`."""
    return sorted(
        {k for k in [*range(1, 9), *(2**power for power in range(4, most.bit_length()))] if k <= most} | {most}
    )


def _table(results: Sequence[Result], score: Callable[[list[int], list[bool], int], float]) -> pd.DataFrame:
    """One row an arm and k: the mean of a score of each problem's answers and verdicts, with its 95% interval."""
    rows = []
    for result in results:
        problems: dict[str, list[int]] = {}
        for place, trace in enumerate(result.traces):
            problems.setdefault(trace.problem_id, []).append(place)
        own = [([result.ids[i] for i in ps], [bool(result.traces[i].correct) for i in ps]) for ps in problems.values()]
        samples = [len(ids) for ids, _ in own]
        for k in sample_counts(min(samples)):
            values = [score(ids, correct, k) for ids, correct in own]
            mean, low, high = mean_interval(values, samples)
            rows.append(who(result) | {"k": k, "value": mean, "low": low, "high": high, "n_problems": len(own)})
    return tidy(rows, COLUMNS, results)


def pass_at_k_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and k: `value` is pass@k, unbiased (`metrics.pass_at_k`), the mean over problems.

    `low` and `high` are its 95% interval, the problem being the unit; k goes up to the samples of the problem that has
    fewest.
    """
    return _table(results, lambda ids, correct, k: pass_at_k(len(correct), sum(correct), k))


def votes_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and k: `value` is the accuracy of a majority vote over k samples (`metrics.majority_at_k`).

    Votes are over equivalent answers. Otherwise as `pass_at_k_table`.
    """
    return _table(results, majority_at_k)
