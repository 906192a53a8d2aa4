"""What is not decided in time: no start and no load makes it so; it is tried again, and counted, not called wrong."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import psutil
import pytest

from longcot.curation.filters import Contested, Correct, Wrong
from longcot.curation.pool import Pool as Traces
from longcot.files.manifest import Product, manifest_path
from longcot.grading import worker as workers
from longcot.grading.grade import compare, grade, group_equivalent, is_equivalent
from longcot.grading.regrade import regrade_file
from longcot.grading.worker import Pool
from longcot.metrics.scores import score_arm
from longcot.traces.trace import Trace, read_traces, trace_counts, write_traces

TOWER = "9^{9^{9^{9}}}"


@pytest.fixture
def pool(monkeypatch):
    """A pool of one worker that is not started yet, in the place of the process's own."""
    pool = Pool(1)
    monkeypatch.setattr(sys.modules["longcot.grading.grade"], "POOL", pool)
    yield pool
    worker = pool._places.get()
    if worker:
        worker.close()


def test_a_cold_worker_decides(pool, monkeypatch, tmp_path):
    """Without compiled bytecode, as in an environment that was just installed, imports take seconds."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    monkeypatch.setattr(workers, "START", 0.01)
    assert compare([("4:30 PM", r"\text{4:30 p.m.}")]) == {("4:30 PM", r"\text{4:30 p.m.}"): None}
    monkeypatch.setattr(workers, "START", 60.0)  # and goes on starting
    assert is_equivalent("4:30 PM", r"\text{4:30 p.m.}", timeout=0.5)


def test_a_worker_is_heard_beside_thousands_of_open_files(pool):
    """As many as an engine's connections are: select.select refuses a file beyond the 1,024th."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        right, wrong = ("12", r"3 \times 4"), ("20 miles", "120")
        assert compare([right, wrong]) == {right: True, wrong: False}
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to have all share one core here")
def test_a_busy_processor_does_not_count(pool):
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)  # a share of its own each
        for _ in range(9)
    ]
    try:
        pool.start()
        terms = [rf"\sqrt{{{k}}} x^{{{k}}}" for k in range(2, 20)]
        began = time.monotonic()
        assert is_equivalent("+".join(terms), "+".join(terms[::-1]), timeout=1.6)
        assert time.monotonic() - began > 1.6, "the processor was not busy enough to show anything"
    finally:
        os.sched_setaffinity(0, cores)
        for process in busy:
            process.kill()
            process.wait()


def test_a_stopped_worker_ends_on_the_wall(pool, monkeypatch):
    pool.start()
    worker = pool._places.queue[0]
    children = psutil.Process(worker.process.pid).children()
    monkeypatch.setattr(workers, "WALL", 0.2)
    os.killpg(worker.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    pair = (r"\frac12 x", r"\frac{x}{2}")
    assert compare([pair], timeout=0.2)[pair]  # once more, by a new one
    assert time.monotonic() - began < 30
    _, left = psutil.wait_procs(children, timeout=10)
    assert all(child.status() == psutil.STATUS_ZOMBIE for child in left)


def trace(sample: int, answer: str, **more) -> Trace:
    fields = {"problem_id": "p", "problem": "?", "expected_answer": "42 x", "model": "m", "finish_reason": "stop"}
    return Trace(sample=sample, text=f"\\boxed{{{answer}}}", **fields | more)


def test_an_undecided_answer_is_tried_again_and_then_counted(pool, monkeypatch, tmp_path, caplog):
    asked, ask = [], pool.ask

    def answered(candidate, reference, timeout):
        asked.append(candidate)
        late = candidate == TOWER or (candidate == "21 x + 21 x" and asked.count(candidate) == 1)
        return None if late else ask(candidate, reference, timeout)

    monkeypatch.setattr(pool, "ask", answered)
    given = [trace(0, TOWER), trace(1, "21 x + 21 x"), trace(2, "41 x"), trace(3, "42x")]
    traces = grade(given)
    assert sorted(asked[-2:]) == ["21 x + 21 x", TOWER] and asked.count("41 x") == 1
    assert [one.correct for one in traces] == [False, True, False, True]
    assert [one.undecided for one in traces] == [True, False, False, False]
    assert "1 of 4 answers could not be compared in time" in caplog.text
    assert "undecided" not in traces[2].model_dump_json()  # a file without one is as it always was

    making = Product(file := tmp_path / "traces.jsonl", {})
    write_traces(file, traces)
    making.finish(**trace_counts(file))
    assert json.loads(manifest_path(file).read_text())["undecided"] == 1
    assert read_traces(file) == traces
    score = score_arm(traces)
    assert score["pass_at_1"] == 0.5 and score["undecided"] == 1

    nothing = Traces({}, {}, [])
    assert Wrong().reasons(traces, nothing)[0] == f"undecided whether {TOWER} is 42 x"
    assert "undecided" in Correct().reasons(traces, nothing)[0]
    assert None not in Contested().reasons(traces[:2], nothing)  # the undecided one is no wrong one

    monkeypatch.setattr(pool, "ask", lambda *_: True)  # with more time
    assert regrade_file(file) == 2
    assert json.loads(manifest_path(file).read_text())["undecided"] == 0
    assert not read_traces(file)[0].undecided


def test_groups_where_something_is_undecided(pool, monkeypatch, caplog):
    """Not decided is not the same, and keeps nobody else apart: a third answer may show that two are one."""
    same = {frozenset(pair) for pair in (("b", "c"), ("a", "c"), ("d", "e"))}
    late = {frozenset(pair) for pair in (("a", "b"), ("a", "d"))}

    def ask(candidate, reference, timeout):
        pair = frozenset((candidate, reference))
        return None if pair in late else pair in same

    monkeypatch.setattr(pool, "ask", ask)
    assert group_equivalent(["a", "b"]) == [0, 1]
    assert group_equivalent(["a", "b", None, "c", "d", "e", "b"]) == [0, 0, -1, 0, 1, 1, 0]
    assert group_equivalent(["d", "a", "e", "c"]) == [0, 1, 0, 1]
    assert "could not be compared in time" in caplog.text


def test_groups_with_a_hostile_answer_among_them(pool):
    assert group_equivalent([r"\frac{84}{2} x", TOWER, "42x", TOWER], timeout=0.2) == [0, 1, 0, 1]
