"""Whether training problems stand in a benchmark: shared word n-grams, and near neighbours for a person to read."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from longcot.curation.duplicates import normal_words
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.traces.diversity import TFIDF, embed, similarities


class Overlap(NamedTuple):
    """A training problem and the benchmark problem with which it shares most.

    `share` is the fraction of the training problem's words that stand in shared n-grams, `shared` the longest run of
    them: a phrase such as "where m and n are relatively prime positive integers" has a small share, a copy one near 1.
    """

    problem_id: str
    benchmark_id: str
    share: float
    shared: str


class Neighbour(NamedTuple):
    """A training problem, its nearest benchmark problem, and the cosine similarity of their embeddings."""

    problem_id: str
    benchmark_id: str
    similarity: float


def shared_ngrams(problems: Sequence[Problem], benchmark: Sequence[Problem], n: int = 8) -> list[Overlap]:
    """The problems that share a run of n normal words with a benchmark problem, in their order.

    A benchmark problem of fewer than n words counts where all of it stands in the other. n = 13 is GPT-3's (Brown et
    al. 2020, arXiv 2005.14165, appendix C), n = 8 that of s1 (Muennighoff et al. 2025, arXiv 2501.19393): it finds more
    and flags more phrases. Normal words: see `duplicates.normal_words`. Raises BadInput for n < 1 or no benchmark.
    """
    if n < 1 or not benchmark:
        raise BadInput(f"{n}-grams shared with {len(benchmark)} benchmark problems: both numbers must be at least 1")
    index: dict[int, dict[tuple[str, ...], set[str]]] = defaultdict(lambda: defaultdict(set))  # by length of n-gram
    for problem in benchmark:
        words = normal_words(problem.problem)
        size = min(n, len(words))
        for start in range(len(words) - size + 1 if size else 0):
            index[size][tuple(words[start : start + size])].add(problem.id)
    found = []
    for problem in problems:
        words = normal_words(problem.problem)
        covered: dict[str, set[int]] = defaultdict(set)  # benchmark problem: positions of words shared with it
        for size, grams in index.items():
            for start in range(len(words) - size + 1):
                for name in grams.get(tuple(words[start : start + size]), ()):
                    covered[name].update(range(start, start + size))
        if covered:
            name = max(covered, key=lambda name: (len(covered[name]), name))
            run = _longest_run(covered[name])
            share = len(covered[name]) / len(words)
            found.append(Overlap(problem.id, name, share, " ".join(words[run.start : run.stop])))
    return found


def _longest_run(positions: set[int]) -> range:
    best, start = range(0), None
    for position in sorted(positions):
        start = position if start is None or position - 1 not in positions else start
        best = max(best, range(start, position + 1), key=len)
    return best


def neighbours(
    problems: Sequence[Problem], benchmark: Sequence[Problem], threshold: float = 0.6, model: str = TFIDF
) -> list[Neighbour]:
    """The problems whose nearest benchmark problem is at `threshold` or nearer, nearest first, for a person to read.

    Cosine similarity of embeddings, see `diversity.embed`; thresholds of different models do not compare. Raises
    BadInput for no problem or no benchmark, and for a model that cannot be had.
    """
    rows = embed([problem.problem for problem in (*problems, *benchmark)], model)
    other = rows[len(problems) :]
    found = []
    for start in range(0, len(problems), 1000):
        close = similarities(rows[start : min(start + 1000, len(problems))], other)
        for problem, row in zip(problems[start : start + 1000], close, strict=True):
            if len(row) and row.max() >= threshold:
                found.append(Neighbour(problem.id, benchmark[int(row.argmax())].id, float(row.max())))
    return sorted(found, key=lambda found: -found.similarity)
