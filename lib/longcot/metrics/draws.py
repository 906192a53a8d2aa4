"""Means over draws and problems, where both are a sample of many: another draw of traces, another set of problems.

A draw is one training set with its adapter, and every draw is scored on the same problems: a table of accuracies, draws
in rows, problems in columns, as in a two-way layout with random rows and columns. The variance of its mean has a part
of the problems, one of the draws and one of their interaction and the sampling noise; it is put together from mean
squares (Cornfield and Tukey 1956, Ann. Math. Stat. 27:907), its degrees of freedom are Satterthwaite's (1946,
Biometrics Bull. 2:110), and no part counts less than nothing. How often the intervals hold the truth:
tests/benchmarks/README.md.
"""

from typing import NamedTuple

import numpy as np

from longcot.files.errors import BadInput


class Estimate(NamedTuple):
    """A mean or a difference with its interval; `p_value` is of the difference (two-sided), NaN for a mean."""

    value: float
    low: float
    high: float
    p_value: float = float("nan")


class Spread(NamedTuple):
    """How far draws lie apart, as standard deviations of their accuracy.

    `seen` is that of the draws as they are scored; `expected` what it would be were all draws equally good, on these
    problems with so many samples; `own` is what is left for the draws themselves, 0 where that is less than nothing.
    """

    seen: float
    expected: float
    own: float


def _squares(table: np.ndarray) -> tuple[float, float]:
    """(mean square of draws, mean square of the rest), both over draws times problems; (0, 0) for one draw."""
    draws, problems = table.shape
    if draws == 1:
        return 0.0, 0.0
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns + mean
    size = draws * problems
    of_draws = problems * ((rows - mean) ** 2).sum() / (draws - 1)
    return of_draws / size, (rest**2).sum() / ((draws - 1) * (problems - 1)) / size


def _check(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, dtype=float)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise BadInput(f"accuracies of draws by problems: got shape {table.shape}; give 1 draw and 2 problems at least")
    return table


def _variance(problems: np.ndarray, tables: list[np.ndarray]) -> tuple[float, float]:
    """(variance, degrees of freedom): `problems` holds each one's mean or difference, draws are those of the tables."""
    own = problems.var(ddof=1) / len(problems)
    variance, scatter = own, own**2 / (len(problems) - 1)
    for table in tables:
        of_draws, rest = _squares(table)
        if of_draws > rest:
            draws, columns = table.shape
            variance += of_draws - rest
            scatter += of_draws**2 / (draws - 1) + rest**2 / ((draws - 1) * (columns - 1))
    return variance, variance**2 / scatter if scatter else float(len(problems) - 1)


def draws_interval(table: np.ndarray, level: float = 0.95) -> Estimate:
    """Mean accuracy over draws and problems with its interval; `table` is draws by problems, fractions of 1.

    Wilson's interval with Student's quantile, at as many independent trials as would have the variance found; where it
    is found to be none (all right or all wrong), as many as there are problems. Of one draw it is over problems alone.
    Raises BadInput for an empty table.
    """
    from scipy.stats import t

    table = _check(table)
    draws, problems = table.shape
    variance, freedom = _variance(table.mean(axis=0), [table])
    mean = table.mean()
    even = mean * (1 - mean)
    trials = min(even / variance, draws * problems) if variance and even else problems
    z = t.ppf((1 + level) / 2, freedom)
    centre = (mean + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(even / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return Estimate(float(mean), float(max(min(centre - half, mean), 0)), float(min(max(centre + half, mean), 1)))


def draws_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Estimate:
    """Mean accuracy of b minus that of a, paired over problems, the draws of the two being independent.

    Student's interval. Where the two do not differ in any draw and problem nothing is known: low and high are NaN and p
    is 1. Raises BadInput where they are not of the same problems.
    """
    from scipy.stats import t

    a, b = _check(a), _check(b)
    if a.shape[1] != b.shape[1]:
        raise BadInput(f"draws on {a.shape[1]} and on {b.shape[1]} problems; compare them on the same ones")
    difference = b.mean(axis=0) - a.mean(axis=0)
    variance, freedom = _variance(difference, [a, b])
    mean = difference.mean()
    if not variance:
        return Estimate(float(mean), float("nan"), float("nan"), 1.0)
    error = np.sqrt(variance)
    half = t.ppf((1 + level) / 2, freedom) * error
    low, high = max(mean - half, -1.0), min(mean + half, 1.0)
    return Estimate(float(mean), float(low), float(high), float(2 * t.sf(abs(mean) / error, freedom)))


def draws_spread(table: np.ndarray) -> Spread:
    """How far the draws lie apart, and how far chance alone would bring them. NaN for a single draw.

    `expected` is the root of the mean square of the rest over the problems, `own` that of what the mean square of draws
    has beyond it. Raises BadInput for an empty table.
    """
    table = _check(table)
    if len(table) == 1:
        return Spread(float("nan"), float("nan"), float("nan"))
    of_draws, rest = (square * len(table) for square in _squares(table))
    return Spread(float(np.sqrt(of_draws)), float(np.sqrt(rest)), float(np.sqrt(max(of_draws - rest, 0))))
