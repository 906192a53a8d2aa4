"""The plan of what is kept: never more than there is room for, what saves most first, and nothing twice."""

import pytest
from model_shapes import SHAPE

from longcot.qlora.keeping import INPUT, OPERATIONS_PER_BYTE, plan, whole

LINEAR = 2 * 5120 + 2 * 1024 + 3 * 27648  # outputs and inputs beside the width, of one layer's seven products


def spent(found, lengths, place):
    """Bytes that a plan keeps in a place, told from its sizes and places alone."""
    tokens = sum(lengths)
    sizes = {kind: size for kind, (size, _) in SHAPE.kinds(lengths).items()} | {INPUT: tokens * 5120 * 2}
    return sum(sizes[kind] for kind in found.places for layer in range(64) if found.place(kind, layer) == place)


def test_sizes_of_one_token_by_hand():
    kinds = SHAPE.kinds([1])
    assert kinds["attention"] == (10_240 + 160, 0)  # 40 heads of 128 in 16 bits, a log-sum-exp in 32 bits of each
    assert kinds["heads"][0] == (5120 + 2 * 1024) * 2 + 3 * 16 * 2
    assert kinds["middle"] == (10_240 + 32, 2 * 5120 * 5120)
    assert kinds["mlp0"] == (2 * 27648 * 2 + 3 * 16 * 2, 2 * 2 * 5120 * 27648)
    assert SHAPE.weights == 5120 * LINEAR * 2
    assert SHAPE.forward([1]) == 2 * 5120 * LINEAR
    assert SHAPE.forward([10, 20]) == 2 * 5120 * LINEAR * 30 + 4 * 5120 * (100 + 400) // 2  # each reads itself alone
    assert SHAPE.tiles(4096) == [4096] and SHAPE.tiles(16385) == [5461, 5462, 5462]


@pytest.mark.parametrize("lengths", [[4096], [500, 900, 4000], [16384], [65536]])
@pytest.mark.parametrize("card", [-1e9, 0, 3e9, 20e9, 60e9, 300e9])
@pytest.mark.parametrize("host", [0, 20e9, 80e9, 500e9])
def test_no_more_than_there_is_room_for(lengths, card, host):
    found = plan(SHAPE, lengths, card, host)
    on_card, on_host, inputs = spent(found, lengths, "card"), spent(found, lengths, "host"), 64 * sum(lengths) * 10_240
    assert found.place(INPUT, 0) and found.place(INPUT, 63)
    assert on_card <= max(card, 0) + (inputs if not host else 0)
    assert on_host == found.host <= max(host, inputs)
    assert on_card <= found.card or not host
    # What leaves during a layer leaves in that time.
    sizes = {kind: size for kind, (size, _) in SHAPE.kinds(lengths).items()}
    for layer in range(64):
        leaving = sum(size for kind, size in sizes.items() if found.place(kind, layer) == "host")
        assert leaving * OPERATIONS_PER_BYTE <= max(SHAPE.forward(lengths) - OPERATIONS_PER_BYTE * inputs / 64, 0)
    down = 2 * sum(lengths) * 5120 * 27648 / SHAPE.forward(lengths)
    assert 0 <= found.again <= 1 - down + 1e-9
    assert (found.again == 0) == all(found.place(kind, layer) for kind in sizes for layer in range(64))


def test_more_room_is_never_worse():
    for host in (0, 60e9):
        shares = [plan(SHAPE, [16384], card, host).again for card in range(0, 200 * 10**9, 10**9)]
        assert all(more <= less + 0.005 for less, more in zip(shares, shares[1:], strict=False)), (
            "but for what is left over"
        )
        assert shares[-1] == 0 < 0.5 < shares[0]


def test_what_saves_most_for_its_bytes_comes_first():
    long, short = (plan(SHAPE, lengths, 4e9, 0).places for lengths in ([32768], [4096]))
    assert long["attention"][0] > 0 == long["mlp0"][0]  # attention's operations grow with the square
    assert short["attention"][0] < short["middle"][0]
    found = plan(SHAPE, [16384], 50e9, 75e9)
    assert "is computed again" in found.words() and 0.1 < found.again < 0.2
    assert [found.place("mlp1", layer) for layer in (0, 63)] == ["", "card"]  # the last are needed first
    assert [found.place("attention", layer) for layer in (0, 63)] == ["host", "card"] and found.host > 70e9
    assert plan(SHAPE, [4096], 55e9, 75e9).host == 0, "what fits on the card goes nowhere"


def test_what_is_kept_whole():
    tokens = whole(SHAPE, 55e9)
    for more, kept in ((0, True), (1, False)):
        found = plan(SHAPE, [tokens + more], 55e9 - SHAPE.working(tokens + more), 1e12)
        assert (found.again == 0 and found.host == 0) == kept
    assert 4096 < tokens < 8192 and whole(SHAPE, 0) == 0
