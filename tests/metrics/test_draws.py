import numpy as np
import pytest
from scipy.stats import t

from longcot.files.errors import BadInput
from longcot.metrics.draws import draws_difference, draws_interval, draws_spread


def test_the_variance_is_that_of_a_two_way_layout():
    """Rows that differ by a constant: all that draws add is their own spread, with as many degrees less one."""
    table = np.array([[0.2, 0.4, 0.6, 0.2], [0.4, 0.6, 0.8, 0.4], [0.3, 0.5, 0.7, 0.3]])
    spread = draws_spread(table)
    assert spread.seen == pytest.approx(np.std([0.35, 0.55, 0.45], ddof=1)) == spread.own
    assert spread.expected == pytest.approx(0, abs=1e-12)
    other = table[:1] + 0.1  # one draw, the same problems: the difference has no spread over problems
    gap = draws_difference(table, other)
    error = np.sqrt(spread.seen**2 / 3)
    assert gap.value == pytest.approx(0.0) and gap.high == pytest.approx(t.ppf(0.975, 2) * error) == -gap.low


def test_equal_draws_are_no_wider_than_problems_make_them():
    rng = np.random.default_rng(0)
    one = (rng.random((1, 128)) < 0.4).astype(float)
    same = np.repeat(one, 6, axis=0)
    assert draws_spread(same) == (0, 0, 0)
    assert draws_interval(same)[:3] == pytest.approx(draws_interval(one)[:3], abs=2e-3)
    apart = np.vstack([one, 1 - one] * 3)  # draws that lie far apart say less together than six that agree
    found = draws_interval(apart)
    assert found.low < 0.45 and found.high > 0.55 and draws_spread(apart).own > 0.1


def test_the_ends_of_the_scale():
    none = draws_interval(np.zeros((5, 128)))
    assert none.value == none.low == 0 and 0.01 < none.high < 0.05
    assert draws_difference(np.zeros((5, 128)), np.zeros((5, 128))).p_value == 1
    assert draws_difference(np.zeros((5, 128)), np.ones((5, 128))).value == 1
    for wrong in (np.zeros((0, 4)), np.zeros(4), np.full((2, 2), np.nan)):
        with pytest.raises(BadInput, match="give 1 draw and 2 problems at least"):
            draws_interval(wrong)
    with pytest.raises(BadInput, match="on 4 and on 3 problems; compare them on the same"):
        draws_difference(np.zeros((2, 4)), np.zeros((2, 3)))


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_intervals_hold_the_truth(spread):
    """A small version of tests/benchmarks/draws.py: 300 studies of 5 draws of each of two conditions."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(300):
        problems, truth = rng.standard_normal(64), []
        tables = []
        for shift in (0.0, 0.5):
            effect = shift + problems + spread * rng.standard_normal((5, 1)) + rng.standard_normal((5, 64))
            tables.append((effect > 0).astype(float))
            truth.append(shift)
        found = draws_interval(tables[0])
        held.append(found.low <= 0.5 <= found.high)
    assert 0.91 < np.mean(held) < 0.985
