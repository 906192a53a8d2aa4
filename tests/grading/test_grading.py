import concurrent.futures
import multiprocessing
import os
import threading
import time

import psutil
import pytest

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.grading.extraction import extract_answer
from longcot.grading.grade import grade, group_equivalent, is_equivalent
from longcot.grading.regrade import regrade
from longcot.grading.worker import POOL
from longcot.traces.trace import Trace, read_traces, write_traces


def trace(text: str, expected: str = "7", sample: int = 0, **more) -> Trace:
    return Trace(problem_id="p", sample=sample, problem="?", expected_answer=expected, model="m", text=text, **more)


def test_plain_numbers_need_no_process():
    before = list(POOL._places.queue)
    assert grade([trace(r"\boxed{007}"), trace(r"\boxed{8}", sample=1)])[0].correct
    assert list(POOL._places.queue) == before


HOSTILE = {
    "tower": "9^{9^{9^{9}}}",
    "factorial": "((10^{9})!)!",
    "nested": "{" * 100_000 + "1" + "}" * 100_000,
    "10 MB": "7 " * 5_000_000,
    "null bytes": "1\x002",
    "surrogate": "\ud800",
    "unbalanced": r"\frac{1}{",
    "deep": r"\sqrt{" * 900 + "2" + "}" * 900,
    "input": r"\input{/etc/passwd}",
    "Python": "__import__('os').system('exit')",
    "exponent": "1e999999999",
}


def processor_time() -> float:
    """Seconds of it that this process and its workers took, with all children that they had."""
    servers = [psutil.Process(worker.process.pid) for worker in POOL._places.queue if worker]
    running = [child.cpu_times() for server in servers for child in server.children()]
    ended = [server.cpu_times() for server in servers]
    return time.process_time() + sum(sum(times[:2]) for times in running) + sum(sum(times[:4]) for times in ended)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_wrong_in_time(name):
    text = HOSTILE[name]
    is_equivalent(r"\frac12", "x")  # the worker is there
    began = processor_time()
    assert not is_equivalent(text, "42", timeout=1.0)
    assert not is_equivalent(r"\frac{84}{2}", text, timeout=1.0)
    assert processor_time() - began < 2.5
    assert is_equivalent(r"\frac{84}{2}", "42")
    extract_answer(text + r" \boxed{" + text)


def check(i: int) -> bool:
    return is_equivalent(rf"\frac{{{2 * i}}}{{4}}", f"{i}/2") and not is_equivalent(rf"\frac{{{i}}}{{3}}", f"{i}/2")


def test_in_threads_with_a_hostile_one_among_them():
    slow = threading.Thread(target=is_equivalent, args=("9^{9^{9^{9}}}", "1", 1.0))
    slow.start()
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert all(threads.map(check, range(1, 20)))
    slow.join()


def test_in_worker_processes():
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its workers are daemons
        assert all(pool.map(check, range(1, 3)))
    with multiprocessing.get_context("fork").Pool(1) as pool:  # and these inherit our pipes
        assert all(pool.map(check, range(1, 3)))
    assert check(5)


def test_killed_worker_is_replaced():
    assert check(1)
    for worker in list(POOL._places.queue):
        if worker:
            os.killpg(worker.process.pid, 9)
    assert all(map(check, range(2, 6)))


def test_grade_and_regrade(tmp_path, capsys):
    cut = trace(r"\boxed{7}", sample=2, finish_reason="length")
    graded = grade([trace(r"\boxed{7}"), trace(r"\boxed{8}", sample=1), cut])
    assert [(t.answer, t.correct) for t in graded] == [("7", True), ("8", False), (None, False)]
    path = tmp_path / "t.jsonl"
    write_traces(path, [t.model_copy(update={"correct": None}) for t in graded])
    assert main(["regrade", str(path)]) == 0
    assert "3 verdicts changed" in capsys.readouterr().out
    assert read_traces(path) == graded
    assert regrade(path) == 0
    with pytest.raises(BadInput, match="no such file"):
        regrade(tmp_path / "none.jsonl")


def test_group_equivalent():
    assert group_equivalent(["1/2", None, "0.5", "3", "1/2", r"\frac{6}{2}"]) == [0, -1, 0, 1, 0, 1]
    assert group_equivalent([]) == []
