"""Arms side by side share the requests that their servers take at once, and the first of them has the first."""

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

from scripted_server import KEYS, PROBLEMS, SAMPLING, Reply, ScriptedServer, answer, error

from longcot.files.errors import BadInput
from longcot.sampling.generate import generate_traces
from longcot.sampling.server.sampler import ServerSampler
from longcot.sampling.server.slots import Slots
from longcot.sampling.settings import Server
from longcot.sampling.side_by_side import side_by_side
from longcot.traces.trace import read_traces


def test_who_joined_first_is_served_first():
    slots, woken = Slots(2), []
    first, second = slots.join(), slots.join()
    wake = {place: (lambda place=place: woken.append(place)) for place in (first, second)}
    assert slots.take(second, wake[second]) and slots.take(second, wake[second])
    assert not slots.take(second, wake[second]) and not slots.take(first, wake[first]) and not woken
    slots.give()
    assert woken == [first] and not slots.take(second, wake[second]), "the slot is kept for the first"
    assert slots.take(first, wake[first]) and not slots.take(first, wake[first])
    slots.give()
    slots.leave(first)
    assert woken[-1] == second and slots.take(second, wake[second])


def test_no_slot_is_lost_and_none_is_given_twice():
    slots, at_once, most = Slots(5), [], []

    def work(place: int) -> None:
        draw, own, free = random.Random(place), slots.join(), threading.Event()
        for _ in range(200):
            while not slots.take(own, free.set):
                assert free.wait(20), "nobody woke it"
                free.clear()
            at_once.append(1)
            most.append(len(at_once))
            time.sleep(draw.random() / 10000)
            at_once.pop()
            slots.give()
        slots.leave(own)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 2400 and max(most) == 5
    assert [slots.take(slots.join(), list) for _ in range(6)] == [True] * 5 + [False]


def test_an_arm_that_gives_up_leaves_the_slots_to_others_at_once(tiny_model, tmp_path):
    def script(number: int, body: dict) -> Reply | None:
        if body["model"] == "b":
            return None
        return Reply(body=answer(body), stall_s=6.0) if number == 0 else error(500, "no")

    server, slots, ends = ScriptedServer(script, models=("a", "b")), Slots(2), {}

    def sample(name: str) -> None:
        while name == "b" and len(server.asked) < 5:
            time.sleep(0.01)
        where = Server(urls=[server.url], concurrency=2, retries=2)
        sampler = ServerSampler(where, name, str(tiny_model), slots=slots, backoff_s=0.01)
        sampling = SAMPLING.model_copy(update={"samples": 16})  # 24 requests, of which 10 are asked in vain
        with suppress(BadInput):
            generate_traces(sampler, PROBLEMS, tmp_path / f"{name}.jsonl", sampling, model=name, progress=False)
        ends[name] = time.monotonic()

    side_by_side(sample, "ab", 2)
    server.stop()
    assert len(read_traces(tmp_path / "b.jsonl")) == 16 * len(PROBLEMS) and ends["b"] < ends["a"] - 2


def test_arms_share_what_their_server_takes_at_once(tiny_model, tmp_path):
    """One that fails gives its slots back; nobody waits for ever."""
    slots = Slots(3)

    def script(number: int, body: dict) -> Reply | None:
        return error(500, "no") if body["model"] == "c" else Reply(body=answer(body), stall_s=0.02)

    server = ScriptedServer(script, models=tuple("abcde"))

    def sample(name: str) -> Path | BadInput:
        where = Server(urls=[server.url], concurrency=3, retries=0)
        sampler = ServerSampler(where, name, str(tiny_model), slots=slots, backoff_s=0.01)
        try:
            return generate_traces(sampler, PROBLEMS, tmp_path / f"{name}.jsonl", SAMPLING, model=name, progress=False)
        except BadInput as failed:
            return failed

    found = dict(zip("abcde", side_by_side(sample, "abcde", 5), strict=True))
    server.stop()
    assert isinstance(found.pop("c"), BadInput)
    assert all({trace.key for trace in read_traces(file)} == KEYS for file in found.values())
    assert [slots.take(slots.join(), list) for _ in range(4)] == [True] * 3 + [False], "all are given back"


def test_arms_share_their_requests_evenly_among_the_servers(tiny_model, tmp_path):
    """Six requests of an arm over four servers leave two over; those of five arms do not all go to the same two."""
    names = tuple("abcde")
    servers = [ScriptedServer(lambda _, body: Reply(body=answer(body), stall_s=1.5), models=names) for _ in range(4)]
    slots, urls = Slots(100), [server.url for server in servers]

    def sample(name: str) -> Path:
        sampler = ServerSampler(Server(urls=urls, concurrency=100), name, str(tiny_model), slots=slots)
        return generate_traces(sampler, PROBLEMS, tmp_path / f"{name}.jsonl", SAMPLING, model=name, progress=False)

    side_by_side(sample, names, len(names))
    asked = [len(server.asked) for server in servers]
    for server in servers:
        server.stop()
    assert sum(asked) == 30 and max(asked) <= 9, asked
    assert [slots.asked(url) for url in urls] == [0] * 4, "none is taken for asked after its answer"
