"""`python -m longcot check|plan|run STUDY [--cores N] [--config models.base.path=x ...]`: see a study's errors, what it
would do, or do it.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from longcot.errors import BadInput, command
from longcot.files import ROOT, resolve, shown, write_whole
from longcot.jobs import Job, study_jobs
from longcot.qlora.training_fit import misfits
from longcot.study import Study
from longcot.study_file import check_inputs, load_study


def forget_lost(study: Study, jobs: Sequence[Job]) -> None:
    """Remove the stamp of a job whose products are no longer there, so that it runs again."""
    run_dir = resolve(study.run_dir)
    for job in jobs:
        stamp = run_dir / "stamps" / f"{job.name}.done"
        if stamp.exists() and not all((run_dir / product).exists() for product in job.products):
            stamp.unlink()


def hold_lock(run_dir: Path) -> None:
    """Hold the run directory until this process and the one it becomes end. Raises BadInput where another holds it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = open(run_dir / "lock", "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise BadInput(
            f"{shown(run_dir)}: process {lock.read()} is running this study; wait for it or stop it"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    os.set_inheritable(lock.fileno(), True)
    hold_lock.file = lock  # kept open for the life of the process


def run(study: Study, cores: int, redraw: bool, snakemake: Sequence[str]) -> None:
    """Become Snakemake on this study, first clearing a lock of its own that a killed run left.

    With `redraw` the plots are made again from the traces at hand.
    """
    run_dir = resolve(study.run_dir)
    hold_lock(run_dir)
    write_whole(run_dir / "study.yaml", yaml.safe_dump(study.model_dump(), sort_keys=False, allow_unicode=True))
    forget_lost(study, study_jobs(study))
    if redraw:
        (run_dir / "stamps" / "04_plot_evaluation.done").unlink(missing_ok=True)
    for lock in (run_dir / ".snakemake" / "locks").glob("*"):
        lock.unlink()  # its owner is gone: a living one would hold the lock above
    os.environ["LONGCOT_OWNER"] = str(os.getpid())
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "notebooks" / "Snakefile")]
    command += [
        "--directory",
        str(run_dir),
        "--cores",
        str(cores),
        "--rerun-incomplete",
        "--quiet",
        "rules",
        "progress",
    ]
    command += ["--config", f"study={run_dir / 'study.yaml'}", *snakemake]
    os.execv(sys.executable, command)


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot", description=__doc__)
    parser.add_argument("command", choices=("check", "plan", "run"))
    parser.add_argument("study")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--config", action="append", default=[], help="key.of.a.key=value in place of the file's")
    parser.add_argument("--redraw", action="store_true", help="draw the figures again from the stored traces")
    arguments, rest = parser.parse_known_args()
    study = load_study(arguments.study, arguments.config)
    check_inputs(study)
    if arguments.command != "plan" and not arguments.redraw:
        for words in misfits(study):
            print(f"warning: {words}", file=sys.stderr)
    if arguments.command == "run":
        run(study, arguments.cores, arguments.redraw, rest)
    elif arguments.command == "plan":
        from longcot.plan import plan

        print(plan(study, arguments.cores))


if __name__ == "__main__":
    sys.exit(main())
