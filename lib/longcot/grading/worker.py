"""Processes in which answers are compared, each to be killed when its time is up.

Math-Verify guards itself with SIGALRM, which works in the main thread of a process only. Here a server process of its
own imports it once and compares in a forked child; the child has a timer that ends it, whatever it is computing, and a
limit on memory; the server then forks the next one within milliseconds. A child of `subprocess` is used, not of
`multiprocessing`: that one runs the caller's `__main__` again, and is not allowed within a daemonic worker.
"""

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time

MEMORY = 2 << 30  # bytes of address space that a comparison may take
_COUNT = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class Lost(Exception):
    """The process ended, or ran past its time, without a verdict."""


class Worker:
    """One server process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from longcot.grading.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C in a terminal or a notebook is for the caller
        )

    def ask(self, candidate: str, reference: str, deadline: float) -> bool | None:
        """Whether they are equivalent; None where time or memory ran out in the child.

        Raises Lost where the process gives no verdict by `deadline` (of time.monotonic); it is ended then.
        """
        try:
            left = max(0.0, deadline - time.monotonic())
            job = json.dumps([candidate, reference, 0.97 * left])  # the child's own timer comes first
            self.process.stdin.write(job.encode() + b"\n")
            self.process.stdin.flush()
            if select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            self.close()
            raise Lost from error
        except BaseException:  # interrupted: its late verdict must not be taken for the next one's
            self.close()
            raise
        self.close()
        raise Lost

    def close(self) -> None:
        """End the process and whatever it runs."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


class Pool:
    """At most `count` workers, each started when it is first needed and replaced when it was lost."""

    def __init__(self, count: int = _COUNT) -> None:
        self.count = count
        self._reset()

    def _reset(self) -> None:
        self._starting, self._started = threading.Lock(), False
        self._places: queue.Queue[Worker | None] = queue.LifoQueue()
        for _ in range(self.count):
            self._places.put(None)

    def ask(self, candidate: str, reference: str, timeout: float) -> bool | None:
        """Whether they are equivalent, None where that was not decided within `timeout` seconds, waiting included."""
        deadline = time.monotonic() + timeout
        try:
            worker = self._places.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        try:
            for _ in range(2):  # once more where the process was killed from outside
                if worker is None or worker.process.poll() is not None:
                    worker = Worker()
                with contextlib.suppress(Lost):
                    return worker.ask(candidate, reference, deadline)
                if time.monotonic() >= deadline:
                    break
            return None
        finally:
            self._places.put(worker)

    def start(self) -> None:
        """Start all workers, once, and wait until each has imported what it needs: else the first answers wait."""
        with self._starting:
            if self._started:
                return
            workers = [self._places.get() for _ in range(self.count)]
            try:
                workers = [worker or Worker() for worker in workers]
                for worker in workers:
                    with contextlib.suppress(Lost):
                        worker.ask("x", "y", time.monotonic() + 60)
                self._started = True
            finally:  # also where it was interrupted
                for worker in workers:
                    self._places.put(worker)


POOL = Pool()
if hasattr(os, "register_at_fork"):  # a forked child must not talk through its parent's pipes
    os.register_at_fork(after_in_child=lambda: POOL._reset())


def serve() -> None:
    """The server: forks a child that answers jobs, and another one each time a child was ended within a job."""
    import resource

    from longcot.grading.equivalence import equivalent
    from longcot.grading.parsing import math_verify

    (
        # imports, and the parser's tables, before the fork
        equivalent(r"\frac{\sin x}{2}", "y"),
        equivalent(r"2^{10} \cdot 5! - \sqrt[3]{4\pi}", r"\frac{-1+2\sqrt{3}}{\binom{7}{3}}"),
        equivalent(r"4 (2-\sqrt{\frac{9}{5}})", r"3 + \frac{\pi}{2}"),
        equivalent(r"(1,2) \cup (3,4)", "x > 1"),
        math_verify("x > 1", "x > 2"),
    )
    while True:
        if (child := os.fork()) == 0:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            _answer_jobs()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:  # the caller has closed its end
            return
        _reply(None)


def _answer_jobs() -> None:
    import signal

    from longcot.grading.equivalence import equivalent

    job = b""
    while part := os.read(0, 1 << 16):
        job += part
        if not job.endswith(b"\n"):
            continue
        candidate, reference, seconds = json.loads(job)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds))  # SIGALRM is not caught: it ends this process
        try:
            verdict = equivalent(candidate, reference)
        except (Exception, RecursionError):
            verdict = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _reply(verdict)
        job = b""


def _reply(verdict: bool | None) -> None:
    os.write(1, json.dumps(verdict).encode() + b"\n")
