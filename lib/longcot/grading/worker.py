"""Processes in which answers are compared, each to be killed when its time is up.

Math-Verify guards itself with SIGALRM, which works in the main thread of a process only. Here a server process of its
own imports it once and compares in a forked child; the child has timers that end it, whatever it is computing, and a
limit on memory; the server then forks the next one within milliseconds. A child of `subprocess` is used, not of
`multiprocessing`: that one runs the caller's `__main__` again, and is not allowed within a daemonic worker.

Time is the processor time of the child: on the clock on the wall a verdict would depend on what else the machine does.
"""

import contextlib
import json
import os
import queue
import selectors
import subprocess
import sys
import threading

MEMORY = 2 << 30  # bytes of address space that a comparison may take
WALL = 10.0  # the least seconds on the clock on the wall that it has, where ten times its processor time is less
START = 60.0  # seconds that a worker may take to import what it needs; without compiled bytecode it is 5 and more
_COUNT = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class Lost(Exception):
    """The process ended without a verdict."""


class Worker:
    """One server process."""

    def __init__(self) -> None:
        self.ready = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from longcot.grading.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C in a terminal or a notebook is for the caller
        )

    def wait(self) -> bool:
        """Wait until it can be asked, for `START` seconds at most; whether it can. Raises Lost where it ended."""
        self.ready = self.ready or self._line(START) == "ready"
        return self.ready

    def ask(self, candidate: str, reference: str, seconds: float) -> bool | None:
        """Whether they are equivalent; None where `seconds` of processor time, ten times that on the wall, or memory
        ran out.

        Raises Lost where the process ended.
        """
        wall = max(10 * seconds, WALL)
        job = json.dumps([candidate, reference, seconds, wall])
        try:
            self.process.stdin.write(job.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            self.close()
            raise Lost from error
        except BaseException:  # interrupted: half a job must not stand before the next one
            self.close()
            raise
        verdict = self._line(1.2 * wall + 1)  # the child's own timers come first
        if verdict == "late":  # stopped from outside: a late verdict must not be taken for the next one's
            self.close()
            return None
        return verdict

    def _line(self, seconds: float) -> bool | str | None:
        """The next line of the process as JSON has it, "late" where none comes in `seconds`. Raises Lost at its end."""
        try:
            with selectors.DefaultSelector() as waiting:  # select.select knows no file beyond the 1,024th
                waiting.register(self.process.stdout, selectors.EVENT_READ)
                if not waiting.select(seconds):
                    return "late"
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            self.close()
            raise Lost from error
        except BaseException:  # interrupted: as where it is late
            self.close()
            raise

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
        """Whether they are equivalent, None where that was not decided within `timeout` seconds of processor time.

        Waiting for a free worker, or for one to start, does not count. One that has not started within `START` seconds
        decides nothing now, and goes on starting.
        """
        worker = self._places.get()
        try:
            for _ in range(2):  # once more where the process was killed from outside
                if worker is None or worker.process.poll() is not None:
                    worker = Worker()
                with contextlib.suppress(Lost):
                    return worker.ask(candidate, reference, timeout) if worker.wait() else None
            return None
        finally:
            self._places.put(worker)

    def start(self) -> None:
        """Start all workers, once and side by side, and wait for them."""
        with self._starting:
            if self._started:
                return
            workers = [self._places.get() for _ in range(self.count)]
            try:
                workers = [worker or Worker() for worker in workers]
                for worker in workers:
                    with contextlib.suppress(Lost):
                        worker.wait()
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
    _reply("ready")
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

    timers = {signal.ITIMER_PROF: signal.SIGPROF, signal.ITIMER_REAL: signal.SIGALRM}  # processor time, wall
    for name in timers.values():
        signal.signal(name, signal.SIG_DFL)  # not caught: it ends this process
    job = b""
    while part := os.read(0, 1 << 16):
        job += part
        if not job.endswith(b"\n"):
            continue
        candidate, reference, *limits = json.loads(job)
        for timer, seconds in zip(timers, limits, strict=True):
            signal.setitimer(timer, max(0.001, seconds))
        try:
            verdict = equivalent(candidate, reference)
        except MemoryError:
            verdict = None
        except Exception:
            verdict = False
        for timer in timers:
            signal.setitimer(timer, 0)
        _reply(verdict)
        job = b""


def _reply(verdict: bool | str | None) -> None:
    os.write(1, json.dumps(verdict).encode() + b"\n")
