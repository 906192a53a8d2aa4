import itertools
import random

import pytest

from longcot.files.errors import BadInput
from longcot.metrics.intervals import holm, paired_interval, pass_at_1_interval
from longcot.metrics.scores import majority_at_k, paired_difference, pass_at_k, score_arm
from longcot.traces.trace import Trace


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


def test_majority_edges():
    assert majority_at_k([None, None], [False, False], 1) == 0
    assert majority_at_k([0, -1, -1], [True, False, False], 3) == 1  # no answer has no vote
    assert majority_at_k(["a", float("nan")], [True, False], 2) == 1
    assert majority_at_k([0, 1], [True, False], 2) == 0.5
    big = majority_at_k([i % 3 for i in range(3000)], [i % 3 == 0 for i in range(3000)], 1500)
    assert big == pytest.approx(1 / 3, abs=0.02)
    for answers, correct, k in [
        (["a"], [True], 2),
        (["a"], [None], 1),
        ([["a"]], [True], 1),
        ([], [], 1),
        (["a"], [], 1),
    ]:
        with pytest.raises(BadInput):
            majority_at_k(answers, correct, k)


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


def test_score_arm_votes_over_ids_and_k():
    traces = arm([[("1/2", True), ("0.5", True), ("3", False), ("3", False), ("7", False)]])
    row = score_arm(traces, ids=[0, 0, 1, 1, 2], k=5)
    assert (row["maj_at_k"], row["maj_at_k_raw"]) == (0.5, 0.0)
    assert score_arm(traces)["k"] == 5
    with pytest.raises(BadInput, match="maj@6"):
        score_arm(traces, k=6)
    with pytest.raises(BadInput, match="not graded"):
        score_arm([traces[0].model_copy(update={"correct": None})])
    with pytest.raises(BadInput, match="2 ids"):
        score_arm(traces, ids=[0, 1])


def test_intervals_hold_their_mean_and_use_problems_as_the_unit():
    few, many = pass_at_1_interval([2, 0, 4], [4, 4, 4]), pass_at_1_interval([2, 0, 4] * 10, [4] * 30)
    assert few[0] <= 0.5 <= few[1] and many[1] - many[0] < few[1] - few[0]
    repeated = pass_at_1_interval([32, 0, 64] * 10, [64] * 30)  # more samples of the same problems tell little more
    assert repeated == pytest.approx(many, abs=0.01)
    assert pass_at_1_interval([1], [1])[0] > 0
    for counts in [([], []), ([5], [4]), ([-1], [4]), ([float("nan")], [4]), ([1, 1], [4])]:
        with pytest.raises(BadInput):
            pass_at_1_interval(*counts)


def test_paired_interval():
    a, b = [0, 1, 2, 0, 1, 3, 0, 0, 2, 1] * 6, [1, 1, 2, 1, 0, 3, 0, 1, 2, 1] * 6
    row = paired_interval(a, [4] * 60, b, [4] * 60)
    assert 0 < row["low"] < row["difference"] < row["high"] and row["p_value"] < 0.05
    back = paired_interval(b, [4] * 60, a, [4] * 60)
    assert (back["low"], back["high"], back["p_value"]) == pytest.approx((-row["high"], -row["low"], row["p_value"]))
    at_p = paired_interval(a, [4] * 60, b, [4] * 60, level=1 - row["p_value"])
    assert at_p["low"] == pytest.approx(0, abs=1e-9)
    assert paired_interval(a, [4] * 60, a, [4] * 60)["p_value"] == 1
    with pytest.raises(BadInput, match="same problems"):
        paired_interval([1], [4], [1, 2], [4, 4])
    with pytest.raises(BadInput, match="'p1' first"):
        paired_difference(arm([[("1", True)]]), arm([[("1", True)]] * 2))


def test_intervals():
    low, high = pass_at_1_interval([0] * 30, [4] * 30)
    assert low == 0 and 0.02 < high < 0.2
    a, b = arm([[("1", True)]] * 5), arm([[("1", False)]] * 5)
    assert paired_difference(a, b)["difference"] == -1
    assert paired_difference(a, a)["low"] < 0 < paired_difference(a, a)["high"]


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1] and holm([]) == []
    with pytest.raises(BadInput):
        holm([float("nan")])
