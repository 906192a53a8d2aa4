"""How often the intervals of longcot.metrics.intervals hold the truth, and what pass@k and maj@k cost.

    python tests/benchmarks/metrics.py          the tables of README.md, one to two minutes on one core

A study is simulated by drawing each problem's difficulty from a Beta distribution of a given mean and intraclass
correlation, and its samples from that; in a pair of arms, a problem's two difficulties have a normal copula.
"""

import itertools
import sys
import time

import numpy as np
from scipy import stats

from longcot.metrics.intervals import difference_interval, score_interval
from longcot.metrics.scores import majority_at_k, pass_at_k

STUDIES = 2_000
Z = stats.norm.ppf(0.975)
GRID = list(itertools.product((30, 256), (4, 64), (0.05, 0.3, 0.8), (0.3, 0.7)))


def difficulties(rng: np.random.Generator, mean: float, icc: float, shape: tuple[int, ...]) -> np.ndarray:
    size = 1 / icc - 1
    return rng.beta(mean * size, (1 - mean) * size, size=shape)


def paired_difficulties(
    rng: np.random.Generator, means: tuple[float, float], icc: float, copula: float, shape: tuple[int, ...]
) -> list[np.ndarray]:
    size, levels = 1 / icc - 1, np.linspace(0, 1, 4001)
    first = rng.standard_normal(shape)
    second = copula * first + np.sqrt(1 - copula**2) * rng.standard_normal(shape)
    return [
        np.interp(stats.norm.cdf(normal), levels, stats.beta.ppf(levels, mean * size, (1 - mean) * size))
        for normal, mean in zip((first, second), means, strict=True)
    ]


def students(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Student's interval, to compare with."""
    n = values.shape[-1]
    half = stats.t.ppf(0.975, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return values.mean(axis=-1), values.mean(axis=-1) - half, values.mean(axis=-1) + half


def covered(interval: tuple[np.ndarray, np.ndarray, np.ndarray], truth: float) -> str:
    _, low, high = interval
    return f"{np.mean((low <= truth) & (truth <= high)):.3f} | {np.mean(high - low):.3f}"


def single() -> None:
    print("| problems | samples | mean | ICC | coverage | width | Student's t: coverage | width |\n|" + "---:|" * 8)
    for seed, (n, m, mean, icc) in enumerate(GRID):
        rng = np.random.default_rng([1, seed])
        rates = rng.binomial(m, difficulties(rng, mean, icc, (STUDIES, n))) / m
        ours = covered(score_interval(rates, 1 / m, Z), mean)
        print(f"| {n} | {m} | {mean} | {icc} | {ours} | {covered(students(rates), mean)} |")


def paired() -> None:
    print("| problems | samples | mean of a | ICC | copula | b - a | coverage | width | t: coverage | width |")
    print("|" + "---:|" * 10)
    for seed, (case, copula, gain) in enumerate(itertools.product(GRID, (0.5, 0.9), (0.0, 0.1))):
        n, m, mean, icc = case
        rng = np.random.default_rng([2, seed])
        pair = paired_difficulties(rng, (mean, mean + gain), icc, copula, (STUDIES, n))
        a, b = (rng.binomial(m, p) / m for p in pair)
        ours = covered(difference_interval(a, 1 / m, b, 1 / m, Z), gain)
        print(f"| {n} | {m} | {mean} | {icc} | {copula} | {gain} | {ours} | {covered(students(b - a), gain)} |")


def several() -> None:
    """pass@k, and votes where all wrong answers agree: scores of a problem that go by how many samples are right."""
    print("| score | problems | samples | k | mean | ICC | coverage | width |\n|" + "---|" + "---:|" * 7)
    cases = itertools.product((30, 128, 256), ((4, 2), (4, 4), (64, 8), (64, 64)), (0.05, 0.3, 0.8), (0.3, 0.7))
    held: dict[str, list[float]] = {}
    for seed, (n, (m, k), mean, icc) in enumerate(cases):
        rng = np.random.default_rng([4, seed])
        right = rng.binomial(m, difficulties(rng, mean, icc, (STUDIES, n)))
        size = 1 / icc - 1
        drawn = stats.betabinom(k, mean * size, (1 - mean) * size).pmf(range(k + 1))
        won = (np.sign(2 * np.arange(k + 1) - k) + 1) / 2
        votes = [majority_at_k([0] * c + [1] * (m - c), [True] * c + [False] * (m - c), k) for c in range(m + 1)]
        for name, scores, truth in (
            ("pass@k", [pass_at_k(m, c, k) for c in range(m + 1)], 1 - drawn[0]),
            ("votes", votes, float(drawn @ won)),
        ):
            interval = score_interval(np.array(scores)[right], 1 / m, Z)
            held.setdefault(name, []).append(np.mean((interval[1] <= truth) & (truth <= interval[2])))
            print(f"| {name} | {n} | {m} | {k} | {mean} | {icc} | {covered(interval, truth)} |")
    for name, shares in held.items():
        print(f"{name}: coverage {min(shares):.3f} to {max(shares):.3f}, mean {np.mean(shares):.3f}")


def speed() -> None:
    rng = np.random.default_rng(3)
    answers = rng.integers(0, 12, size=(256, 64)).tolist()
    for k in (4, 16, 32, 64):
        began = time.perf_counter()
        for row in answers:
            right = [answer == 0 for answer in row]
            majority_at_k(row, right, k)
            pass_at_k(64, sum(right), k)
        print(f"pass@{k} and maj@{k} of 256 problems x 64 samples: {time.perf_counter() - began:.3f} s")


if __name__ == "__main__":
    for part in sys.argv[1:] or ["single", "paired", "several", "speed"]:
        {"single": single, "paired": paired, "several": several, "speed": speed}[part]()
        print()
