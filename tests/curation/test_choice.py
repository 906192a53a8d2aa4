import random
from collections import Counter

import pytest
from pydantic import ValidationError

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.pool import Pool
from longcot.curation.strategies import STRATEGIES
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.traces.likelihood import Likelihood, digest
from longcot.traces.trace import Trace

SUBJECTS, LEVELS = ("algebra", "number", "shapes"), ("1", "2", "3", "4")


def make(name: str, sample: int, length: int, **values) -> Trace:
    text = "Perhaps. " * (length % 7) + "word " * (length - length % 7)
    given = {"problem": f"Problem {name} about {name}", "text": text, "correct": True} | values
    return Trace(problem_id=name, sample=sample, expected_answer="1", model="m", completion_tokens=length, **given)


def pool() -> tuple[list[Trace], Pool]:
    """48 problems, 3 subjects of 4 levels; 3 traces each, of lengths that say nothing of subject and level."""
    rng = random.Random(0)
    problems = {
        f"{subject}-{level}-{number}": Problem(
            id=f"{subject}-{level}-{number}", problem="?", expected_answer="1", subject=subject, level=level
        )
        for subject in SUBJECTS
        for level in LEVELS
        for number in range(4)
    }
    lengths = rng.sample(range(20, 900), 3 * len(problems))
    traces = [make(name, sample, lengths.pop()) for name in problems for sample in range(3)]
    rates = {name: (5 - int(problem.level)) / 5 for name, problem in problems.items()}
    likely = {digest(row.problem_id, row.text): Likelihood(9, -rng.random(), rng.random()) for row in traces}
    return traces, Pool(problems, rates, likelihoods=likely)


TRACES, POOL = pool()


def pick(strategy: str, n: int = 12, seed: int = 1, **settings) -> list[Trace]:
    return pick_traces(TRACES, Choice(n=n, strategy=strategy, seed=seed, **settings), POOL, "arm")


def test_random_and_balanced_give_the_rows_that_they_always_gave():
    """Studies are repeated by their seeds: these rows were chosen by the first version."""
    traces = [make(f"{subject}{number}", sample, 9) for subject in "abc" for number in range(4) for sample in range(2)]
    problems = {
        row.problem_id: Problem(id=row.problem_id, problem="?", expected_answer="1", subject=row.problem_id[0])
        for row in traces
    }
    rows = {
        strategy: [
            f"{row.problem_id}.{row.sample}"
            for row in pick_traces(traces, Choice(n=5, strategy=strategy, seed=7), Pool(problems), "x")
        ]
        for strategy in ("random", "balanced")
    }
    assert rows["random"] == ["a0.1", "c0.0", "a2.1", "c2.0", "b1.1"]
    assert rows["balanced"] == ["b0.0", "c2.0", "a2.0", "b2.0", "c1.0"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_repeats_whatever_the_order_of_problems(strategy):
    chosen = pick(strategy)
    assert len({row.problem_id for row in chosen}) == len(chosen) == 12 and pick(strategy) == chosen
    shuffled = sorted(TRACES, key=lambda row: (row.problem_id[::-1], row.sample))
    assert pick_traces(shuffled, Choice(n=12, strategy=strategy, seed=1), POOL, "arm") == chosen


def test_ranking_strategies_take_the_extremes():
    by_length = sorted(TRACES, key=lambda row: row.completion_tokens)
    assert pick("longest", 1) == by_length[-1:] and pick("shortest", 1) == by_length[:1]
    longest = {name: max(r.completion_tokens for r in TRACES if r.problem_id == name) for name in POOL.problems}
    assert sorted(row.completion_tokens for row in pick("longest")) == sorted(longest.values())[-12:]
    assert {POOL.problems[row.problem_id].level for row in pick("hardest")} == {"4"}
    assert {POOL.problems[row.problem_id].level for row in pick("easiest")} == {"1"}
    share = {row.key: row.text.count("Perhaps") / row.completion_tokens for row in TRACES}
    assert share[pick("most:hedging", 1)[0].key] == max(share.values())
    assert all(share[row.key] == 0 for row in pick("fewest:hedging"))


def test_ties_are_drawn_by_the_seed():
    hard = [{row.problem_id for row in pick("hardest", 4, seed)} for seed in range(6)]
    assert len(set(map(frozenset, hard))) > 1


def test_balanced_levels_takes_each_pair_once_before_any_twice():
    pairs = Counter(
        (POOL.problems[row.problem_id].subject, POOL.problems[row.problem_id].level) for row in pick("balanced_levels")
    )
    assert set(pairs.values()) == {1} and len(pairs) == 12


def test_diverse_problems_are_of_different_words():
    traces = [make(f"x{n}", 0, 9, problem="add the numbers " + "again " * n) for n in range(6)]
    traces += [make("y", 0, 9, problem="angles of a triangle"), make("z", 0, 9, problem="roots of unity")]
    for seed in range(5):
        chosen = pick_traces(traces, Choice(n=3, strategy="diverse_problems", seed=seed), Pool(), "arm")
        assert {"y", "z"} < {row.problem_id for row in chosen}


def test_diverse_solutions_are_of_different_words():
    traces = [make(f"x{n}", sample, 9, text="add the numbers") for n in range(6) for sample in range(2)]
    traces += [make("y", 0, 9, text="angles of a triangle"), make("z", 0, 9, text="roots of unity")]
    chosen = pick_traces(traces, Choice(n=3, strategy="diverse_solutions"), Pool(), "arm")
    assert {"y", "z"} < {row.problem_id for row in chosen}


def test_several_traces_of_a_problem():
    chosen = pick("random", 10, per_problem=3)
    assert sorted(Counter(row.problem_id for row in chosen).values()) == [1, 3, 3, 3]
    assert len({row.key for row in chosen}) == 10
    two = pick("longest", 4, per_problem=2)
    assert [row.problem_id for row in two[:2]] == [two[0].problem_id] * 2 and two[0].completion_tokens > two[
        1
    ].completion_tokens


def strata(chosen: list[Trace], *names: str) -> Counter:
    return Counter(tuple(POOL.attribute(row, name) for name in names) for row in chosen)


@pytest.mark.parametrize("match", [["subject"], ["subject", "level"], ["level", "difficulty"]])
def test_matched_arms_differ_in_one_property_alone(match):
    long, short = (pick(strategy, 20, match=match) for strategy in ("longest", "shortest"))
    names = [name for name in match if name != "difficulty"]
    assert strata(long, *names) == strata(short, *names)
    mean = [sum(row.completion_tokens for row in chosen) / 20 for chosen in (long, short)]
    assert mean[0] > 2 * mean[1]
    parts = strata(long, *names).values()
    assert max(parts) - min(parts) <= 1, "strata of one size give as evenly as n allows"


def test_balanced_counts_over_strata():
    """Five of each level and all subjects alike: what a stratum took is not forgotten in the next."""
    for seed in range(5):
        chosen = pick("balanced", 20, seed, match=["level"])
        assert set(strata(chosen, "level").values()) == {5} and sorted(strata(chosen, "subject").values()) == [6, 7, 7]


def test_arms_may_be_matched_on_the_problem_itself():
    long, short, drawn = (pick(name, 20, match=["problem"]) for name in ("longest", "shortest", "random"))
    assert {r.problem_id for r in long} == {r.problem_id for r in short} == {r.problem_id for r in drawn}
    of_problem = {row.problem_id: row for row in short}
    assert all(row.completion_tokens > of_problem[row.problem_id].completion_tokens for row in long)
    again = pick("longest", 20, seed=2, match=["problem"])
    assert {row.problem_id for row in again} != {row.problem_id for row in long}


def test_hard_and_easy_problems_of_like_lengths():
    hard, easy = (pick(strategy, 18, match=["subject", "length"]) for strategy in ("hardest", "easiest"))
    assert strata(hard, "subject") == strata(easy, "subject")
    level = [sum(int(POOL.problems[row.problem_id].level) for row in chosen) / 18 for chosen in (hard, easy)]
    assert level[0] > level[1] + 1
    mean = [sum(row.completion_tokens for row in chosen) / 18 for chosen in (hard, easy)]
    assert 0.75 < mean[0] / mean[1] < 1.33
    assert len({row.problem_id for row in hard}) == 18


def test_top_draws_from_the_first_share():
    quarter = sorted({max(r.completion_tokens for r in TRACES if r.problem_id == name) for name in POOL.problems})[-12:]
    draws = [pick("longest", 5, seed, top=0.25) for seed in range(5)]
    assert all(row.completion_tokens in quarter for chosen in draws for row in chosen)
    assert len({frozenset(row.key for row in chosen) for chosen in draws}) > 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"strategy": "longst"}, "strategy 'longst' is not known; use random, .* verification"),
        ({"top": 0.5}, "top 0.5 with strategy random, which ranks nothing"),
        ({"match": ["sbject"]}, "match.0\n"),
        ({"match": ["level"], "per_problem": 2}, "only one trace a problem can be matched"),
    ],
)
def test_a_choice_is_strict(settings, message):
    with pytest.raises(ValidationError, match=message):
        Choice(n=2, **settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n": 49}, "arm x: 49 traces wanted, 48 problems have one left after the filters; lower its n"),
        ({"n": 97, "per_problem": 2}, "arm x: 97 traces wanted, 96 are left at 2 a problem after the filters"),
        ({"n": 2, "strategy": "diverse_problems", "embedding": "no/such"}, "arm x: embedding model no/such: cannot"),
    ],
)
def test_what_cannot_be_chosen_is_said_with_the_arm(settings, message, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match=message) as raised:
        pick_traces(TRACES, Choice(**settings), Pool(POOL.problems), "x")
    assert "\n" not in str(raised.value)


def test_what_is_not_known_is_said_with_the_arm():
    for strategy, message in [("hardest", "difficulty is not known"), ("balanced", "has no subject; give it one")]:
        with pytest.raises(BadInput, match=f"arm x: problem .*{message}"):
            pick_traces(TRACES, Choice(n=2, strategy=strategy), Pool(), "x")
    mixed = [*TRACES, make("more", 0, 9).model_copy(update={"completion_tokens": None})]
    with pytest.raises(BadInput, match="arm x: problem 'more', sample 0: no number of tokens is known"):
        pick_traces(mixed, Choice(n=2, strategy="longest"), Pool(), "x")
    assert pick_traces(mixed, Choice(n=2, strategy="longest", unit="words"), Pool(), "x")
