"""Processes that are known by a mark in their environment, which all that they start inherit, and their end."""

import os
import signal
import time

import psutil

GRACE_S = float(os.environ.get("LONGCOT_GRACE_S", 10))  # to end by themselves: what they still do is lost
LONGEST_S = 60.0  # until the kernel has let go of what was killed, a GPU's memory for one


def marked(name: str, value: str) -> list[psutil.Process]:
    """This user's other processes in whose environment variable `name` is `value`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
        except (psutil.Error, OSError):  # gone, another user's, or a zombie, which holds nothing
            continue
    return found


def end_marked(name: str, value: str, grace_s: float = GRACE_S) -> list[int]:
    """End the `marked` processes: SIGTERM, and after `grace_s` SIGKILL; returns the ids of those that do not end.

    What they start meanwhile carries the mark too and is ended with them.
    """
    told: set[int] = set()
    end = time.monotonic() + grace_s
    while left := marked(name, value):
        late = time.monotonic() > end
        if time.monotonic() > end + LONGEST_S:
            return [process.pid for process in left]
        for process in left:
            if late or process.pid not in told:
                told.add(process.pid)
                _send(process, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.1)
    return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        pass  # it has gone by itself
