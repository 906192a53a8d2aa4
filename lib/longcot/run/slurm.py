"""What a run that was killed left in Slurm's queue."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import SLURM_LOGS

CANCEL_SECONDS = 120  # how long a cancelled job may take to end: Slurm kills it after 30 s unless set otherwise


def slurm_jobs(run_dir: Path) -> list[str]:
    """The ids of Snakemake's jobs of this run directory in Slurm's queue; none where there is no Slurm.

    Raises BadInput where Slurm has had jobs of it and does not answer now.
    """
    if not shutil.which("squeue"):
        return []
    asked = subprocess.run(["squeue", "--noheader", "--format=%A|%k|%Z"], capture_output=True, text=True)
    if asked.returncode:
        if (run_dir / SLURM_LOGS).is_dir():
            raise BadInput(
                f"{display_path(run_dir)}: Slurm does not answer, and jobs of an earlier run may be at work; "
                "try again when "
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
            f"{display_path(run_dir)}: Slurm has jobs of process {pid or '?'} on {host or 'another machine'}, "
            "which ran this "
            f"study; stop it if it still does, then: scancel {' '.join(jobs)}"
        )
    print(f"cancelling what the killed run left in Slurm: {' '.join(jobs)}", file=sys.stderr)
    cancelled = subprocess.run(["scancel", *jobs], capture_output=True, text=True)
    end = time.monotonic() + CANCEL_SECONDS
    while left := slurm_jobs(run_dir):
        if cancelled.returncode or time.monotonic() > end:
            said = cancelled.stderr.strip().splitlines()[:1]
            raise BadInput(f"{display_path(run_dir)}: Slurm jobs {' '.join(left)} do not end {said}; scancel them")
        time.sleep(1)
