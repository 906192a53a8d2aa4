"""The room that training takes: within what is free, what a job may have, and what a cap leaves."""

from types import SimpleNamespace

import psutil
import pytest
import torch
from model_shapes import SHAPE

from longcot.qlora import room
from longcot.qlora.keeping import plan, whole
from longcot.qlora.room import HELD, HOST, TOGETHER, free_gpu, free_host, take_room


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes a GPU and a host with so many bytes free, and a control group that may have so many of the host's."""

    def make(gpu: float, host: float = 100e9, group: str = "max", taken: int = 0, cap: float = 1.0) -> None:
        limits = tmp_path / "max", tmp_path / "current"
        limits[0].write_text(f"{group}\n")
        limits[1].write_text(f"{taken}\n")
        monkeypatch.setattr(room, "LIMITS", tuple(map(str, limits)))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=host))
        for name, value in {
            "is_available": True,
            "is_initialized": True,
            "mem_get_info": (int(gpu), int(200e9)),
            "memory_reserved": int(5e9),
            "memory_allocated": int(4e9),
            "get_per_process_memory_fraction": cap,
            "host_memory_stats": {"allocated_bytes.current": 30 * 10**9, "active_bytes.current": 10 * 10**9},
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda value=value: value)

    return make


def test_what_is_free(machine):
    machine(gpu=60e9)
    assert free_gpu() == 61e9 and free_host() == 120e9  # with what torch's allocators hold unused
    machine(gpu=60e9, cap=0.2)
    assert free_gpu() == 40e9 - 5e9 + 1e9
    machine(gpu=60e9, group=str(64 * 10**9), taken=50 * 10**9)  # a job of 64 GB that holds 50, 20 of them unused
    assert free_host() == 34e9


@pytest.mark.parametrize("gpu", [2e9, 20e9, 63e9, 140e9])
@pytest.mark.parametrize("lengths", [[4096], [16384], [3000, 900, 700, 600], [100] * 4])
def test_never_more_than_there_is(machine, gpu, lengths):
    machine(gpu)
    kept = []
    layers = SimpleNamespace(shape=SHAPE, window=None, keep_weights=kept.append, card=0.0, host=0.0)
    model = torch.nn.Linear(1000, 1000, bias=False)
    take_room(layers, model, lengths)
    together = layers.together
    assert layers.card == (gpu + 1e9) / HELD - 12e6 and layers.host == 120e9 * HOST
    assert together == max(whole(SHAPE, layers.card), min(TOGETHER, lengths[0]))
    tokens = max(min(together, sum(lengths)), lengths[0])
    found, used = plan(SHAPE, [tokens], layers.card - SHAPE.working(tokens), 0), kept[0] * SHAPE.weights
    if kept[0]:  # weights stay dequantized only beside all that a pass needs
        assert found.again == 0 and found.card + used + SHAPE.working(tokens) <= layers.card and kept[0] <= 64
    layers.window = lengths[0] - 1
    take_room(layers, model, lengths)
    assert layers.together == 0
