import itertools
import random

import pytest
from longcot.errors import BadInput
from longcot.metrics import holm, majority_at_k, paired_difference, pass_at_1_interval, pass_at_k, score_arm
from longcot.traces import Trace


def arm(rows: list[list[tuple[str | None, bool]]]) -> list[Trace]:
    return [
        Trace(
            problem_id=f"p{i}",
            sample=j,
            problem="?",
            expected_answer="1",
            model="m",
            text="",
            answer=answer,
            correct=right,
        )
        for i, samples in enumerate(rows)
        for j, (answer, right) in enumerate(samples)
    ]


def test_pass_at_k():
    assert pass_at_k(4, 1, 2) == pytest.approx(1 / 2)
    assert pass_at_k(4, 0, 2) == 0 and pass_at_k(4, 3, 2) == 1
    with pytest.raises(BadInput, match="k=5"):
        pass_at_k(4, 1, 5)


def votes_counted_out(answers, correct, k):
    """By the definition: every draw, ties shared."""
    total = 0.0
    draws = list(itertools.combinations(range(len(answers)), k))
    for draw in draws:
        names = [answers[i] for i in draw if answers[i] is not None]
        top = max(map(names.count, names), default=0)
        winners = {name for name in names if names.count(name) == top}
        total += sum(correct[answers.index(name)] for name in winners) / len(winners) if winners else 0
    return total / len(draws)


def test_majority_at_k_against_its_definition():
    rng = random.Random(1)
    for _ in range(60):
        answers = [rng.choice(["a", "b", "c", "d", None]) for _ in range(rng.randint(1, 9))]
        correct = [answer == "a" for answer in answers]
        for k in range(1, len(answers) + 1):
            assert majority_at_k(answers, correct, k) == pytest.approx(votes_counted_out(answers, correct, k))


def test_score_arm():
    row = score_arm(arm([[("1", True), ("1", True)], [("2", False), (None, False)]]), k=1)
    assert (row["pass_at_1"], row["maj_at_k"], row["no_answer"], row["n_problems"], row["n_samples"]) == (
        0.5,
        0.5,
        0.25,
        2,
        4,
    )
    assert 0 <= row["pass_at_1_low"] < 0.5 < row["pass_at_1_high"] <= 1
    with pytest.raises(BadInput, match="no traces"):
        score_arm([])


def test_intervals():
    low, high = pass_at_1_interval([0] * 30, [4] * 30)
    assert low == 0 and 0.02 < high < 0.2
    a, b = arm([[("1", True)]] * 5), arm([[("1", False)]] * 5)
    assert paired_difference(a, b)["difference"] == -1
    assert paired_difference(a, a)["low"] < 0 < paired_difference(a, a)["high"]


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
