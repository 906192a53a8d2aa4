"""A run directory is one run's at a time: the lock on it, and what a run that was killed left in a cluster's queue."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from longcot.errors import BadInput
from longcot.files import shown, writing
from longcot.jobs import Job
from longcot.manifest import status
from longcot.notebooks import owner

CANCEL_SECONDS = 120  # how long a cancelled job may take to end: Slurm kills it after 30 s unless set otherwise


def hold_lock(run_dir: Path) -> str:
    """Hold the run directory until this process and the one it becomes end; returns who held it last (`host:pid`).

    The lock is the kernel's (flock), so a run that was killed holds none. On a shared file system it holds on all
    machines where the file system carries flock between them. Raises BadInput where another holds it, or where there
    are no such locks.
    """
    with writing(run_dir / "lock"):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / "lock", "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        host, _, pid = _said(lock).rpartition(":")
        raise BadInput(
            f"{shown(run_dir)}: process {pid} on {host} is running this study; wait for it or stop it"
        ) from None
    except OSError as error:
        raise BadInput(
            f"{shown(run_dir)}: its file system has no locks ({error.strerror}); mount it with flock, or put runs/ "
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


def forget_lost(run_dir: Path, jobs: Sequence[Job]) -> None:
    """Remove the stamp of a job whose products are no longer there whole, so that it runs again."""
    for job in jobs:
        stamp = run_dir / "stamps" / f"{job.name}.done"
        if stamp.exists() and not all(status(run_dir / product) == "done" for product in job.products):
            stamp.unlink()


def slurm_jobs(run_dir: Path) -> list[str]:
    """The ids of Snakemake's jobs of this run directory in Slurm's queue; none where there is no Slurm.

    Raises BadInput where Slurm has had jobs of it and does not answer now.
    """
    if not shutil.which("squeue"):
        return []
    asked = subprocess.run(["squeue", "--noheader", "--format=%A|%k|%Z"], capture_output=True, text=True)
    if asked.returncode:
        if (run_dir / ".snakemake/slurm_logs").is_dir():
            raise BadInput(
                f"{shown(run_dir)}: Slurm does not answer, and jobs of an earlier run may be at work; try again when "
                f"squeue does ({asked.stderr.strip().splitlines()[-1:]})"
            )
        return []
    rows = (line.split("|", 2) for line in asked.stdout.splitlines())
    # The comment is that of Snakemake's executor: a server that somebody started from this directory has another.
    return sorted(
        {job for job, comment, folder in rows if comment.startswith("rule_") and Path(folder).resolve() == run_dir}
    )


def cancel_leftovers(run_dir: Path, last: str) -> None:
    """Cancel the jobs that a killed run left in Slurm's queue, and wait for their end: two would write one file.

    Whose run (`last`, host:pid) was on another machine may live there, where the file system carries no locks between
    machines; its jobs are left alone. Raises BadInput then, and where the jobs do not end.
    """
    if not (jobs := slurm_jobs(run_dir)):
        return
    host, _, pid = last.rpartition(":")
    if host != socket.gethostname():
        raise BadInput(
            f"{shown(run_dir)}: Slurm has jobs of process {pid or '?'} on {host or 'another machine'}, which ran this "
            f"study; stop it if it still does, then: scancel {' '.join(jobs)}"
        )
    print(f"cancelling what the killed run left in Slurm: {' '.join(jobs)}", file=sys.stderr)
    cancelled = subprocess.run(["scancel", *jobs], capture_output=True, text=True)
    end = time.monotonic() + CANCEL_SECONDS
    while left := slurm_jobs(run_dir):
        if cancelled.returncode or time.monotonic() > end:
            said = cancelled.stderr.strip().splitlines()[:1]
            raise BadInput(f"{shown(run_dir)}: Slurm jobs {' '.join(left)} do not end {said}; scancel them")
        time.sleep(1)
