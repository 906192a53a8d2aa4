"""Confidence intervals and tests in which the problem is the unit: samples of one problem are not independent."""

from collections.abc import Sequence
from math import isfinite

import numpy as np

from longcot.files.errors import BadInput

_WEIGHT = 1 / 16  # in problems' worth of p (1 - p); chosen by the simulation in tests/benchmarks/metrics.py


def pass_at_1_interval(correct: Sequence[int], samples: Sequence[int], level: float = 0.95) -> tuple[float, float]:
    """A confidence interval of mean accuracy, the problem being the unit: `correct` of `samples` for each problem.

    Wilson's score interval at the effective number of problems (Dean and Pagano 2015, J. Surv. Stat. Methodol. 3:484),
    see `score_interval`. Raises BadInput where there is no problem or a count is impossible.
    """
    rates, noise = rates_of(correct, samples)
    _, low, high = score_interval(rates, noise, _quantile(level))
    return float(low), float(high)


def score_interval(rates: np.ndarray, noise: float, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high) of per-problem rates along the last axis, `noise` being the mean of 1 / samples per problem.

    The spread between problems, in units of p (1 - p), is what n problems of one all-or-nothing sample would have 1 of.
    Where few problems are solved, or few are not, it is hardly known and mostly underestimated: it is shrunk towards 1,
    with a weight that fades as n p (1 - p) grows. Weight and coverage: tests/benchmarks/README.md.
    """
    n = rates.shape[-1]
    mean = rates.mean(axis=-1)
    even = mean * (1 - mean)
    spread = rates.var(axis=-1, ddof=1) if n > 1 else even
    spread = np.divide(spread, even, out=np.ones_like(mean), where=even > 0)
    weight = _WEIGHT / (_WEIGHT + n * even)
    effective = n / np.clip((1 - weight) * spread + weight, noise, 1)
    shrunk = 1 + z**2 / effective
    centre = (mean + z**2 / (2 * effective)) / shrunk
    half = z * np.sqrt(even / effective + z**2 / (4 * effective**2)) / shrunk
    return mean, np.clip(centre - half, 0, mean), np.clip(centre + half, mean, 1)


def mean_interval(values: Sequence[float], samples: Sequence[int], level: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high) over problems of a score from 0 to 1 of each, as pass@k, out of so many `samples`.

    `score_interval`; of plain accuracies it is `pass_at_1_interval`. Raises BadInput where there is no problem.
    """
    scores, of = np.asarray(values, dtype=float), np.asarray(samples, dtype=float)
    if not len(scores) or scores.shape != of.shape or not ((scores >= 0) & (scores <= 1)).all() or not (of >= 1).all():
        raise BadInput("a mean over problems needs a score from 0 to 1 and samples of each; generate traces first")
    mean, low, high = score_interval(scores, float(np.mean(1 / of)), _quantile(level))
    return float(mean), float(low), float(high)


def difference_interval(
    rates_a: np.ndarray, noise_a: float, rates_b: np.ndarray, noise_b: float, z: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean difference b minus a, low, high) of paired per-problem rates along the last axis.

    The two intervals of `score_interval`, put together with the correlation between the arms (MOVER: Newcombe 1998,
    Stat. Med. 17:2635, method 10; Zou and Donner 2008, Stat. Med. 27:1693), which is shrunk towards 0 in the same way.
    """
    n = rates_a.shape[-1]
    (a, low_a, high_a), (b, low_b, high_b) = score_interval(rates_a, noise_a, z), score_interval(rates_b, noise_b, z)
    off_a, off_b = rates_a - a[..., None], rates_b - b[..., None]
    scale = np.sqrt((off_a**2).sum(axis=-1) * (off_b**2).sum(axis=-1))
    r = np.divide((off_a * off_b).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)
    even = np.minimum(a * (1 - a), b * (1 - b))
    r = r * (1 - 2 * _WEIGHT / (2 * _WEIGHT + n * even))

    def joined(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(x**2 + y**2 - 2 * r * x * y, 0))

    return b - a, b - a - joined(b - low_b, high_a - a), b - a + joined(high_b - b, a - low_a)


def _quantile(level: float) -> float:
    from scipy.stats import norm

    if not 0 < level < 1:
        raise BadInput(f"confidence level {level}: must lie between 0 and 1; 0.95 is usual")
    return float(norm.ppf((1 + level) / 2))


def rates_of(correct: Sequence[int], samples: Sequence[int]) -> tuple[np.ndarray, float]:
    """(accuracy of each problem, mean of 1 / samples)."""
    right, of = np.asarray(correct, dtype=float), np.asarray(samples, dtype=float)
    if right.ndim != 1 or right.shape != of.shape or not len(of) or not (of >= 1).all():
        raise BadInput("accuracy needs at least one problem, each with at least one sample; generate the traces first")
    if not ((right >= 0) & (right <= of)).all():
        raise BadInput("accuracy needs 0 <= correct <= samples for each problem; count again")
    return right / of, float(np.mean(1 / of))


def paired_interval(
    correct_a: Sequence[int],
    samples_a: Sequence[int],
    correct_b: Sequence[int],
    samples_b: Sequence[int],
    level: float = 0.95,
) -> dict[str, float]:
    """`paired_difference` of counts, problem by problem in the same order. See `difference_interval`."""
    from scipy.stats import norm

    (a, noise_a), (b, noise_b) = rates_of(correct_a, samples_a), rates_of(correct_b, samples_b)
    if len(a) != len(b):
        raise BadInput(f"{len(a)} problems and {len(b)}: paired arms need the same problems in the same order")
    difference, low, high = difference_interval(a, noise_a, b, noise_b, _quantile(level))
    inside, outside = 0.0, 40.0  # the quantile at which the interval reaches 0, by bisection
    for _ in range(60):
        z = (inside + outside) / 2
        _, z_low, z_high = difference_interval(a, noise_a, b, noise_b, z)
        inside, outside = (inside, z) if z_low <= 0 <= z_high else (z, outside)
    return {
        "difference": float(difference),
        "low": float(max(low, -1.0)),
        "high": float(min(high, 1.0)),
        "p_value": float(2 * norm.sf(inside)) if difference else 1.0,
        "n_problems": len(a),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (family-wise): Holm 1979, Scand. J. Stat. 6:65. Raises BadInput on NaN."""
    values = np.asarray(p_values, dtype=float)
    if not all(isfinite(p) and 0 <= p <= 1 for p in values):
        raise BadInput(f"p-values must lie from 0 to 1: {list(p_values)}")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)) if len(values) else values
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()
