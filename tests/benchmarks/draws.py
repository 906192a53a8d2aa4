"""How often the intervals of longcot.metrics.draws hold the truth: the table of README.md, about a minute on one core.

    python tests/benchmarks/draws.py

A study is simulated with a normal effect of each problem, one of each draw and one of their meeting, on the probit
scale; a sample is right with the probability of their sum. The truth is the mean over all draws and problems.
"""

import itertools

import numpy as np
from scipy.stats import norm, t

from longcot.metrics.draws import draws_difference, draws_interval

STUDIES, PROBLEMS = 1_000, 128
MEANS, SPREADS, DRAWS = (0.03, 0.3, 0.75), (0.0, 0.3), (1, 5, 20)


def accuracies(rng: np.random.Generator, mean: float, draw: float, draws: int, problems: np.ndarray) -> np.ndarray:
    """One study's draws by problems, of one sample; the mean over all is `mean`."""
    meeting = 0.5
    scale = np.sqrt(1 + 1 + draw**2 + meeting**2)  # of the sum, the problems' effects having a spread of 1
    effect = norm.ppf(mean) * scale + problems + draw * rng.standard_normal((draws, 1))
    effect = effect + meeting * rng.standard_normal((draws, len(problems)))
    return (effect + rng.standard_normal(effect.shape) > 0).astype(float)


def over_problems(table: np.ndarray) -> tuple[float, float]:
    """Student's interval over problems alone, to compare with."""
    means = table.mean(axis=0)
    half = t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


def main() -> None:
    print("| mean | spread of draws | draws | coverage | width | problems alone | difference: coverage | width |")
    print("|" + "---:|" * 8)
    for seed, (mean, spread, draws) in enumerate(itertools.product(MEANS, SPREADS, DRAWS)):
        rng = np.random.default_rng(seed)
        held, widths, alone, both, gaps = [], [], [], [], []
        for _ in range(STUDIES):
            problems = rng.standard_normal(PROBLEMS)
            a, b = (accuracies(rng, value, spread, draws, problems) for value in (mean, mean + 0.1))
            found, apart = draws_interval(a), draws_difference(a, b)
            held.append(found.low <= mean <= found.high)
            widths.append(found.high - found.low)
            low, high = over_problems(a)
            alone.append(low <= mean <= high)
            both.append(apart.low <= 0.1 <= apart.high)
            gaps.append(apart.high - apart.low)
        figures = [f"{np.mean(values):.3f}" for values in (held, widths, alone, both, gaps)]
        print(f"| {mean} | {spread} | {draws} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
