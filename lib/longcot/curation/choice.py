"""Choosing n traces of a pool by a strategy, all over or within strata, so that arms differ in one property alone."""

import random
from collections.abc import Sequence
from math import ceil
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from longcot.curation.pool import Pool
from longcot.curation.strategies import DRAWING, IN_ORDER, RANKING, Groups, check_strategy, ranked
from longcot.files.errors import BadInput
from longcot.files.strict import Strict
from longcot.traces.diversity import TFIDF
from longcot.traces.length import LengthMeasure
from longcot.traces.trace import Trace

Matched = Literal["problem", "subject", "level", "answer_type", "model", "correct", "difficulty", "length"]


class Choice(Strict):
    """Which n of the traces that pass the filters.

    `strategy` is one of `strategies.STRATEGIES`; `per_problem` traces at most are taken of a problem. With `match` the
    pool is cut into strata of equal values of these properties (difficulty in thirds of its scale, length in thirds of
    the pool), each stratum gives its part of n in proportion to its problems, and the strategy chooses within each. So
    arms of one pool and seed agree in how many they take of each stratum whatever their strategy, and with `match:
    [problem]` in the problems themselves. A ranking strategy takes the first of its order, and between seeds differs in
    ties alone; with `top` it draws from the first share of it, as from the longest quarter. Lengths are in `unit` and
    `tokenizer` (`properties.LengthMeasure`); `embedding` is for the diverse strategies (`diversity.embed`).
    """

    n: int = Field(ge=1)  # traces
    seed: int = 0  # of what is drawn
    strategy: Annotated[str, AfterValidator(check_strategy)] = "random"  # a name of those below
    per_problem: int = Field(1, ge=1)  # traces of a problem, at most
    match: list[Matched] = []  # properties in which arms of one pool and seed shall agree, by strata
    top: float | None = Field(None, gt=0, le=1)  # of a ranking strategy: drawn from this first share of its order
    unit: Literal["tokens", "words", "characters"] = "tokens"  # of lengths
    tokenizer: str = ""  # where the traces bring no counts, the base's
    embedding: str = TFIDF  # of the diverse strategies: TF-IDF, or a model's path or Hub id

    @property
    def by_tokens(self) -> bool:
        """Whether lengths in tokens decide, as the traces bring them."""
        of_length = self.strategy.startswith(("longest", "shortest", "most:", "fewest:")) or "length" in self.match
        return of_length and self.unit == "tokens" and not self.tokenizer

    @model_validator(mode="after")
    def _sensible(self) -> "Choice":
        if self.top is not None and self.strategy not in RANKING:
            raise ValueError(f"top {self.top} with strategy {self.strategy}, which ranks nothing; leave it out")
        if self.match and self.per_problem > 1:
            raise ValueError(f"match with per_problem {self.per_problem}; only one trace a problem can be matched")
        return self


def pick_traces(traces: Sequence[Trace], choice: Choice, pool: Pool, name: str) -> list[Trace]:
    """The chosen traces, the same ones for the same seed whatever the order of `traces` but within a problem.

    `name` (the arm's) stands in errors. Raises BadInput where fewer than n are left, and where a property that the
    strategy or the match needs is not known.
    """
    groups: Groups = {}
    for trace in traces:
        groups.setdefault(trace.problem_id, []).append(trace)
    k = choice.per_problem
    at_hand = sum(min(k, len(group)) for group in groups.values())
    if at_hand < choice.n:
        have = f"{len(groups)} problems have one left" if k == 1 else f"{at_hand} are left at {k} a problem"
        raise BadInput(
            f"arm {name}: {choice.n} traces wanted, {have} after the filters; "
            "lower its n, or sample more problems or more often"
        )
    try:
        ruler = pool.ruler(choice.unit, choice.tokenizer)
        if not choice.match:
            return _take(groups, choice.n, choice, pool, ruler, "")
        return _matched(traces, choice, pool, ruler)
    except BadInput as error:
        raise BadInput(f"arm {name}: {error}") from None


def _take(
    groups: Groups, n: int, choice: Choice, pool: Pool, ruler: LengthMeasure, stratum: str, taken: Sequence[Trace] = ()
) -> list[Trace]:
    """`n` traces of the groups by the strategy, fewer where there are no more; `taken` were taken before."""
    rng = random.Random(f"{choice.strategy} {choice.seed}{stratum}")
    if choice.strategy in RANKING:
        value = RANKING[choice.strategy]
        order = ranked(groups, lambda trace: value(trace, pool, ruler), rng)
        if choice.top is not None:
            order = order[: max(n, ceil(choice.top * len(order)))]
            order = rng.sample(order, len(order))
    else:
        order = DRAWING[choice.strategy](groups, n, pool, rng, choice.embedding, taken)
    chosen: list[Trace] = []
    for problem in order:
        room = min(choice.per_problem, n - len(chosen), len(groups[problem]))
        if n == len(chosen):
            break
        if choice.strategy in IN_ORDER:
            chosen += groups[problem][:room]
        else:
            chosen += [rng.choice(groups[problem])] if choice.per_problem == 1 else rng.sample(groups[problem], room)
    return chosen


def _matched(traces: Sequence[Trace], choice: Choice, pool: Pool, ruler: LengthMeasure) -> list[Trace]:
    """The strategy's choice within each stratum, each in proportion to its problems (largest remainders, ties drawn).

    A problem whose traces lie in several strata counts in the first that takes it; what a stratum lacks then is taken
    from all that is left.
    """
    strata: dict[tuple[str, ...], Groups] = {}
    for trace, key in zip(traces, _strata(traces, choice.match, pool, ruler), strict=True):
        strata.setdefault(key, {}).setdefault(trace.problem_id, []).append(trace)
    total = sum(len(groups) for groups in strata.values())
    shares = {key: choice.n * len(groups) / total for key, groups in strata.items()}
    keys = random.Random(f"match {choice.seed}").sample(sorted(strata), len(strata))
    keys.sort(key=lambda key: int(shares[key]) - shares[key])
    extra = set(keys[: choice.n - sum(map(int, shares.values()))])
    chosen: list[Trace] = []
    for key in sorted(strata):
        taken = {trace.problem_id for trace in chosen}
        free = {problem: group for problem, group in strata[key].items() if problem not in taken}
        chosen += _take(free, int(shares[key]) + (key in extra), choice, pool, ruler, f" {key}", chosen)
    if lacking := choice.n - len(chosen):
        taken = {trace.problem_id for trace in chosen}
        left: Groups = {}
        for trace in traces:
            if trace.problem_id not in taken:
                left.setdefault(trace.problem_id, []).append(trace)
        chosen += _take(left, lacking, choice, pool, ruler, " rest", chosen)
    return chosen


def _strata(traces: Sequence[Trace], match: Sequence[str], pool: Pool, ruler: LengthMeasure) -> list[tuple[str, ...]]:
    """The stratum of each trace: its values of the matched properties, difficulty and length as a third."""
    lengths = [ruler.of_trace(trace) for trace in traces] if "length" in match else [0] * len(traces)
    cuts = [sorted(lengths)[len(lengths) * third // 3] for third in (1, 2)]

    def value(trace: Trace, length: int, name: str) -> str:
        if name == "length":
            return str(sum(length >= cut for cut in cuts))
        if name == "difficulty":
            return str(min(int(3 * pool.pass_rate(trace)), 2))
        return pool.attribute(trace, name)

    return [tuple(value(trace, length, name) for name in match) for trace, length in zip(traces, lengths, strict=True)]
