"""Sampling through servers that is stopped: what was received is on disk."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from scripted_server import KEYS, Reply, answer, asked_samples, on_disk


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_received_is_kept_when_stopped(serve, tiny_model, tmp_path, number):
    """In a process of its own, as the signal ends it."""
    server = serve(lambda n, body: Reply(body=answer(body), stall_s=30) if n > 2 else None)
    code = f"""
        from longcot.problems.problem import Problem
        from longcot.sampling.generate import generate_traces
        from longcot.sampling.server.sampler import ServerSampler
        from longcot.sampling.settings import Sampling, Server
        problems = [Problem(id=f"p{{n}}", problem=f"What is {{n}} + 1?", expected_answer="3") for n in range(6)]
        sampler = ServerSampler(Server(urls=["{server.url}"], concurrency=4), "m", "{tiny_model}")
        try:
            generate_traces(sampler, problems, "{tmp_path}/t.jsonl", Sampling(max_tokens=9, samples=4), model="tiny")
        except KeyboardInterrupt:
            print("interrupted")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + 60
    while len(server.asked) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # the last reply may still be under way
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert (said, process.returncode) == (("interrupted\n", 0) if number == signal.SIGINT else ("", -number))
    assert len(on_disk(tmp_path)) == 12


def test_ctrl_c_while_traces_are_written(serve, run_served, tmp_path, monkeypatch):
    import longcot.sampling.generate as sampling

    whole = sampling.grade_responses

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGINT)
        return whole(*args)

    monkeypatch.setattr(sampling, "grade_responses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_served(serve().url)
    received = on_disk(tmp_path)
    assert received
    monkeypatch.undo()
    server = serve()
    assert {trace.key for trace in run_served(server.url)} == KEYS and asked_samples(server) == 24 - len(received)
