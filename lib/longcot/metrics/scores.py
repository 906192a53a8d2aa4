"""What a table of results holds: pass@k, maj@k, intervals over problems, paired differences between two arms.

Votes are counted over ids that `grading.group_equivalent` gives; no answer is parsed here.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from math import comb

import numpy as np

from longcot.files.errors import BadInput
from longcot.metrics.intervals import holm, paired_interval, pass_at_1_interval, rates_of
from longcot.traces.trace import Trace

__all__ = [
    "holm",
    "majority_at_k",
    "paired_difference",
    "paired_interval",
    "pass_at_1_interval",
    "pass_at_k",
    "score_arm",
]

NO_ANSWER = -1  # the id that `grading.group_equivalent` gives where there is no answer
_DRAWS = 20_000  # of the Monte Carlo vote: a standard error of at most 0.0036


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimate of P(at least one of k samples is correct), from c correct of n.

    Formula: Chen et al. 2021, arXiv 2107.03374, eq. 1. Raises BadInput unless 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise BadInput(
            f"pass@k of n={n}, c={c}, k={k}: need 0 <= c <= n and 1 <= k <= n; take a smaller k or sample more"
        )
    return 1.0 - comb(n - c, k) / comb(n, k)


def majority_at_k(answers: Sequence[Hashable | None], correct: Sequence[bool], k: int) -> float:
    """The expected correctness of a majority vote over k of one problem's n samples, drawn without replacement.

    `answers` are ids of equivalent answers (-1: no answer) or strings (None: no answer); ties are shared equally; a
    sample without an answer has no vote, and a draw without any vote is wrong. Where samples of one answer differ in
    `correct`, the answer counts by its share that is. Exact, by counting the draws (multivariate hypergeometric);
    beyond 10^300 of them, the mean of 20,000 draws of a fixed seed, with a standard error of at most 0.0036. NaN, as
    pandas writes it, is no answer too. Raises BadInput unless 1 <= k <= n, for a verdict that is missing, and for
    answers that are lists.
    """
    n = len(answers)
    if len(correct) != n or not 1 <= k <= n:
        raise BadInput(f"maj@k of {n} answers, {len(correct)} verdicts, k={k}: need as many of both and 1 <= k <= n")
    if any(right is None or right not in (0, 1) for right in correct):
        raise BadInput(f"maj@{k}: a verdict is neither true nor false; grade the answers first")
    votes: dict[Hashable, list[bool]] = defaultdict(list)
    for answer, right in zip(answers, correct, strict=True):
        if not isinstance(answer, Hashable):
            raise BadInput(f"maj@{k}: an answer is a {type(answer).__name__}; give strings or ids")
        if answer is not None and answer == answer and answer != NO_ANSWER:
            votes[answer].append(bool(right))
    sizes = np.array([len(group) for group in votes.values()], dtype=int)
    shares = np.array([np.mean(group) for group in votes.values()])
    if not len(sizes) or not shares.any():
        return 0.0
    if k == n:
        return float(shares[sizes == sizes.max()].mean())
    if comb(n, k) > 10**300:
        drawn = np.random.default_rng(0).multivariate_hypergeometric([*sizes, n - sizes.sum()], k, size=_DRAWS)[:, :-1]
        wins = (drawn == drawn.max(axis=1, keepdims=True)) & (drawn > 0)
        return float((wins @ shares / np.maximum(wins.sum(axis=1), 1)).mean())
    total = sum(share * _winning_draws(g, sizes, n, k) for g, share in enumerate(shares) if share)
    return float(min(1.0, total / comb(n, k)))


def _winning_draws(g: int, sizes: np.ndarray, n: int, k: int) -> float:
    """The number of draws of k samples that group g wins, one won together with t others counting 1 / (t + 1).

    For each number of votes j of group g it is a coefficient of a product of polynomials in x (samples drawn) and y
    (groups tied with j votes): groups of fewer than j samples, and those without an answer, can be drawn at will.
    """
    total = 0.0
    others = np.delete(sizes, g)
    for j in range(1, min(int(sizes[g]), k) + 1):
        rivals = others[others >= j]
        rest = k - j
        free = n - int(sizes[g]) - int(rivals.sum())
        ways = [np.array([float(comb(free, i)) for i in range(rest + 1)])]  # ways[t][i]: i drawn, t tied
        for size in map(int, rivals):
            fewer = np.array([float(comb(size, i)) for i in range(min(j, rest + 1))])
            step = [np.convolve(way, fewer)[: rest + 1] for way in ways]
            if j <= rest:
                step.append(np.zeros(rest + 1))
                for t, way in enumerate(ways):
                    step[t + 1][j:] += way[: rest + 1 - j] * float(comb(size, j))
                if not step[-1].any():
                    step.pop()
            ways = step
        total += comb(int(sizes[g]), j) * sum(way[rest] / (t + 1) for t, way in enumerate(ways))
    return total


def _by_problem(traces: Iterable[Trace]) -> dict[str, list[int]]:
    """The positions of each problem's traces. Raises BadInput where there is none, or one is not graded."""
    problems: dict[str, list[int]] = defaultdict(list)
    for position, trace in enumerate(traces):
        if trace.correct is None:
            raise BadInput(f"problem {trace.problem_id!r}, sample {trace.sample}: not graded; use grading.grade first")
        problems[trace.problem_id].append(position)
    if not problems:
        raise BadInput("no traces at all to score; generate them first")
    return dict(problems)


def score_arm(traces: Sequence[Trace], ids: Sequence[int] | None = None, k: int | None = None) -> dict[str, float]:
    """The row of an arm in the table of arms: fractions of 1, a 95% interval with the problem as the unit.

    `ids` are the ids of equivalent answers, one for each trace, different answers of one problem having different ids
    (`grading.group_equivalent` of each problem's answers); without them the vote is over raw strings. `maj_at_k_raw` is
    the vote over raw strings in any case. `k` is the votes in a majority, at most and by default the samples of the
    problem that has fewest. `mean_tokens` (NaN) and `finished` are over traces that say so. Every problem counts the
    same. What is `undecided` counts as wrong. Raises BadInput where there is no trace, one is not graded, or k is
    larger than the samples of a problem.
    """
    problems = _by_problem(traces)
    samples = [len(rows) for rows in problems.values()]
    k = min(samples) if k is None else k
    if not 1 <= k <= min(samples):
        raise BadInput(f"maj@{k}: a problem has only {min(samples)} samples; take k from 1 to that")
    if ids is not None and len(ids) != len(traces):
        raise BadInput(f"{len(ids)} ids for {len(traces)} traces; give one for each")
    raw = [trace.answer for trace in traces]
    correct = [bool(trace.correct) for trace in traces]

    def vote(names: Sequence) -> float:
        return float(
            np.mean(
                [majority_at_k([names[i] for i in rows], [correct[i] for i in rows], k) for rows in problems.values()]
            )
        )

    right = [sum(correct[i] for i in rows) for rows in problems.values()]
    low, high = pass_at_1_interval(right, samples)
    tokens = [trace.completion_tokens for trace in traces if trace.completion_tokens is not None]
    ends = [trace.finished for trace in traces if trace.finished is not None]
    return {
        "pass_at_1": float(np.mean(rates_of(right, samples)[0])),
        "pass_at_1_low": low,
        "pass_at_1_high": high,
        "maj_at_k": vote(raw if ids is None else ids),
        "maj_at_k_raw": vote(raw),
        "k": k,
        "mean_tokens": float(np.mean(tokens)) if tokens else float("nan"),
        "finished": float(np.mean(ends)) if ends else float("nan"),
        "no_answer": float(np.mean([answer is None for answer in raw])),
        "n_problems": len(problems),
        "n_samples": len(traces),
        "undecided": sum(trace.undecided for trace in traces),
    }


def paired_difference(traces_a: Sequence[Trace], traces_b: Sequence[Trace], level: float = 0.95) -> dict[str, float]:
    """Mean over the shared problems of accuracy of b minus accuracy of a, with interval and two-sided p-value.

    Returns difference, low, high, p_value, n_problems; p is the level at which the interval just reaches 0. Several
    arms compared with one: correct the p-values by `holm`. Raises BadInput where the two are not on the same problems.
    """
    groups = [_by_problem(traces) for traces in (traces_a, traces_b)]
    if odd := sorted(groups[0].keys() ^ groups[1].keys()):
        raise BadInput(f"arms differ in {len(odd)} problems ({odd[0]!r} first); compare arms on the same problems")
    counts = []
    for traces, problems in zip((traces_a, traces_b), groups, strict=True):
        rows = [problems[name] for name in groups[0]]
        counts += [[sum(bool(traces[i].correct) for i in row) for row in rows], [len(row) for row in rows]]
    return paired_interval(*counts, level=level)
