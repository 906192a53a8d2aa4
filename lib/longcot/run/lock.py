"""A run directory is one run's at a time: the lock on it, and what a run that was killed left in a cluster's queue."""

import fcntl
import os
import socket
import threading
import time
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import LOCK
from longcot.files.writing import writing


def hold_lock(run_dir: Path) -> str:
    """Hold the run directory until this process and the one it becomes end; returns who held it last (`host:pid`).

    The lock is the kernel's (flock), so a run that was killed holds none. On a shared file system it holds on all
    machines where the file system carries flock between them. Raises BadInput where another holds it, or where there
    are no such locks.
    """
    with writing(run_dir / LOCK):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / LOCK, "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        host, _, pid = _said(lock).rpartition(":")
        raise BadInput(
            f"{display_path(run_dir)}: process {pid} on {host} is running this study; wait for it or stop it"
        ) from None
    except OSError as error:
        raise BadInput(
            f"{display_path(run_dir)}: its file system has no locks ({error.strerror}); mount it with flock, or "
            "put runs/ "
            "on one that has"
        ) from None
    last = _said(lock)
    lock.truncate(0)
    lock.write(owner())
    lock.flush()
    os.set_inheritable(lock.fileno(), True)
    hold_lock.file = lock  # kept open for the life of the process
    return last


def _said(lock) -> str:
    lock.seek(0)
    return lock.read().strip()


OWNER = "LONGCOT_OWNER"  # the variable that says whose a job is
WRITES = "LONGCOT_WRITES"  # and the one that names the run directory which a job's notebook is to write


def owner() -> str:
    """This process as the owner of what it starts: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def end_with(who: str) -> None:
    """End this process, and with it its kernel, when the owner is gone: a killed study leaves no worker behind.

    On another machine (or in a container of its own) the owner is not to be seen, and the cluster ends what is to end.
    """
    import psutil

    host, _, pid = who.rpartition(":")

    def watch() -> None:
        while psutil.pid_exists(int(pid)):
            time.sleep(1)
        os._exit(1)

    if host == socket.gethostname() and psutil.pid_exists(int(pid)):
        threading.Thread(target=watch, daemon=True).start()
