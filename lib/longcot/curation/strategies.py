"""Named ways to choose traces of a pool. A strategy puts problems in the order in which they are taken.

There are two kinds. A drawing strategy orders the problems; of each problem's traces one is then drawn. `taken` are the
traces that other strata have given already, where arms are matched. A ranking strategy gives each trace a value, and
the traces of the greatest value come first, ties in a drawn order.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf, isnan

from longcot.curation.pool import Pool
from longcot.files.errors import BadInput
from longcot.traces.behaviours import BEHAVIOURS, behaviour_rates
from longcot.traces.diversity import TFIDF, embed, k_centre
from longcot.traces.length import LengthMeasure
from longcot.traces.trace import Trace

Groups = dict[str, list[Trace]]  # the traces of each problem


def uniform(
    groups: Groups, n: int, pool: Pool, rng: random.Random, embedding: str = TFIDF, taken: Sequence[Trace] = ()
) -> list[str]:
    """Problems without replacement, each as likely as any other, so that a problem with many traces counts once."""
    return rng.sample(sorted(groups), len(groups))


def balanced(
    groups: Groups, n: int, pool: Pool, rng: random.Random, embedding: str = TFIDF, taken: Sequence[Trace] = ()
) -> list[str]:
    """As random, but the first problem of each subject before the second of any: subjects count as evenly as can be."""
    return _in_turn(groups, pool, rng, ("subject",), taken)


def balanced_levels(
    groups: Groups, n: int, pool: Pool, rng: random.Random, embedding: str = TFIDF, taken: Sequence[Trace] = ()
) -> list[str]:
    """As random, but the first problem of each pair of subject and level before the second of any."""
    return _in_turn(groups, pool, rng, ("subject", "level"), taken)


def _in_turn(groups: Groups, pool: Pool, rng: random.Random, names: Sequence[str], taken: Sequence[Trace]) -> list[str]:
    seen = Counter(tuple(pool.attribute(trace, name) for name in names) for trace in taken)
    turns = []
    for position, problem in enumerate(rng.sample(sorted(groups), len(groups))):
        key = tuple(pool.attribute(groups[problem][0], name) for name in names)
        turns.append((seen[key], position, problem))
        seen[key] += 1
    return [problem for _, _, problem in sorted(turns)]


def diverse_problems(
    groups: Groups, n: int, pool: Pool, rng: random.Random, embedding: str = TFIDF, taken: Sequence[Trace] = ()
) -> list[str]:
    """The problems whose statements cover those of all the others best: k-centre from a drawn first one."""
    names = sorted(groups)
    rows = embed([groups[name][0].problem for name in names], embedding)
    return [names[i] for i in k_centre(rows, n, rng)]


def diverse_solutions(
    groups: Groups, n: int, pool: Pool, rng: random.Random, embedding: str = TFIDF, taken: Sequence[Trace] = ()
) -> list[str]:
    """The traces whose texts cover those of all the others best: one drawn of each problem, then k-centre over them."""
    names = sorted(groups)
    for name in names:
        groups[name] = rng.sample(groups[name], len(groups[name]))
    rows = embed([groups[name][0].text for name in names], embedding)
    return [names[i] for i in k_centre(rows, n, rng)]


def hardest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The problems that the difficulty model solves least often."""
    return -pool.pass_rate(trace)


def easiest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The problems that the difficulty model solves most often."""
    return pool.pass_rate(trace)


def longest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The longest traces, in the unit given: of a problem its longest, and problems by how long that is."""
    return ruler.of_trace(trace)


def shortest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The shortest traces, in the unit given: of a problem its shortest, and problems by how short that is."""
    return -ruler.of_trace(trace)


def rsr(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The traces of the lowest rank-surprisal ratio under the likelihood model (arXiv 2601.14249)."""
    return _known(-pool.likelihood(trace).rsr)


def likeliest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The traces whose tokens the likelihood model finds likeliest, on average."""
    return _known(pool.likelihood(trace).logprob)


def unlikeliest(trace: Trace, pool: Pool, ruler: LengthMeasure) -> float:
    """The traces whose tokens the likelihood model finds least likely, on average."""
    return _known(-pool.likelihood(trace).logprob)


def _known(value: float) -> float:
    """The value; of a trace that does not fit the model's context, and so has none, one below all others."""
    return -inf if isnan(value) else value


def most(behaviour: str) -> Callable[[Trace, Pool, LengthMeasure], float]:
    """The traces with most matches of a behaviour for their length (see `behaviours`): `most:backtracking`."""
    return lambda trace, pool, ruler: behaviour_rates(trace.text, ruler.of_trace(trace))[behaviour]


def fewest(behaviour: str) -> Callable[[Trace, Pool, LengthMeasure], float]:
    """The traces with fewest matches of a behaviour for their length: `fewest:hedging`."""
    return lambda trace, pool, ruler: -behaviour_rates(trace.text, ruler.of_trace(trace))[behaviour]


DRAWING = {
    "random": uniform,
    "balanced": balanced,
    "balanced_levels": balanced_levels,
    "diverse_problems": diverse_problems,
    "diverse_solutions": diverse_solutions,
}
BY_LIKELIHOOD = {"rsr": rsr, "likeliest": likeliest, "unlikeliest": unlikeliest}
RANKING = {"hardest": hardest, "easiest": easiest, "longest": longest, "shortest": shortest} | BY_LIKELIHOOD
RANKING |= {f"most:{name}": most(name) for name in BEHAVIOURS} | {f"fewest:{name}": fewest(name) for name in BEHAVIOURS}
STRATEGIES = (*DRAWING, *RANKING)
IN_ORDER = (*RANKING, "diverse_solutions")  # these put each problem's traces in order too


def ranked(groups: Groups, value: Callable[[Trace], float], rng: random.Random) -> list[str]:
    """The problems by the greatest value of their traces, ties drawn; each problem's traces are put in order too."""
    values: dict[str, float] = {}
    for name in sorted(groups):
        drawn = rng.sample(groups[name], len(groups[name]))
        of = {trace.key: value(trace) for trace in drawn}
        groups[name] = sorted(drawn, key=lambda trace: -of[trace.key])
        values[name] = of[groups[name][0].key]
    return sorted(rng.sample(sorted(groups), len(groups)), key=lambda name: -values[name])


def check_strategy(name: str) -> str:
    """The name, if it is a strategy's. Raises BadInput otherwise."""
    if name not in STRATEGIES:
        short = [*DRAWING, *list(RANKING)[:7], "most:BEHAVIOUR", "fewest:BEHAVIOUR"]
        raise BadInput(
            f"strategy {name!r} is not known; use {', '.join(short)}, the behaviours being {', '.join(BEHAVIOURS)}"
        )
    return name
