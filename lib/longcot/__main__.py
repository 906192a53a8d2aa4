"""`python -m longcot check|plan|run STUDY [--cores N] [--config models.base.path=x ...]`: see a study's errors, what it
would do, or do it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from longcot.errors import BadInput, command
from longcot.files import ROOT, resolve, write_whole
from longcot.jobs import study_jobs, write_jobs
from longcot.notebooks import owner
from longcot.qlora.training_fit import misfits
from longcot.run_dir import cancel_leftovers, forget_lost, hold_lock
from longcot.study import Study
from longcot.study_file import check_inputs, load_study


def profile_path(name: str) -> Path:
    """The directory of a Snakemake profile: one of params/profiles by its name, or any by its path."""
    for folder in (ROOT / "params/profiles" / name, resolve(name)):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(found.parent.name for found in (ROOT / "params/profiles").glob("*/config.yaml")))
    raise BadInput(f"profile {name}: no config.yaml there; use one of {known}, or the path of a directory with one")


def run(study: Study, cores: int | None, profile: Path | None, snakemake: Sequence[str]) -> None:
    """Become Snakemake on this study, first clearing what a killed run left: its lock, its jobs in Slurm's queue.

    `cores` bounds what runs at once, None leaving that to the profile. `snakemake` are more options of its own.
    """
    run_dir = resolve(study.run_dir).resolve()
    last, jobs = hold_lock(run_dir), study_jobs(study)
    if not (dry := {"-n", "--dry-run", "--dryrun"} & set(snakemake)):
        cancel_leftovers(run_dir, last)
    write_whole(run_dir / "study.yaml", yaml.safe_dump(study.model_dump(), sort_keys=False, allow_unicode=True))
    write_jobs(jobs, study.jobs.threads, run_dir / "jobs.json")
    forget_lost(run_dir, jobs)
    for lock in (run_dir / ".snakemake" / "locks").glob("*"):
        lock.unlink()  # its owner is gone: a living one would hold the lock above
    os.environ["LONGCOT_OWNER"] = owner()
    os.chdir(run_dir)  # the working directory of its jobs in Slurm, by which they are known
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "notebooks" / "Snakefile")]
    command += ["--directory", str(run_dir), "--rerun-incomplete", "--quiet", "host" if dry else "rules", "progress"]
    command += ["--cores", str(cores)] if cores else []
    command += ["--profile", str(profile)] if profile else []
    command += ["--config", f"run_dir={run_dir}", f"root={ROOT}", *snakemake]
    os.execv(sys.executable, command)


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot", description=__doc__)
    parser.add_argument("command", choices=("check", "plan", "run"))
    parser.add_argument("study")
    parser.add_argument("--cores", type=int, help="at once; default: all of this machine, or what the profile says")
    parser.add_argument("--profile", help="a Snakemake profile: a directory of params/profiles, or a path")
    parser.add_argument("--config", action="append", default=[], help="key.of.a.key=value in place of the file's")
    arguments, rest = parser.parse_known_args()
    profile = profile_path(arguments.profile) if arguments.profile else None
    cores = arguments.cores or (None if profile else os.cpu_count())
    study = load_study(arguments.study, arguments.config)
    check_inputs(study)
    for name in study.trusted:
        print(f"warning: models.{name}: trust_remote_code, so code that comes with it will run", file=sys.stderr)
    if arguments.command != "plan" and not profile:
        for words in misfits(study):
            print(f"warning: {words}", file=sys.stderr)
    if arguments.command == "run":
        run(study, cores, profile, rest)
    elif arguments.command == "plan":
        from longcot.plan import plan

        at_once = yaml.safe_load((profile / "config.yaml").read_text()).get("jobs") if profile else None
        print(plan(study, cores or study.jobs.threads * int(at_once or 1)))


if __name__ == "__main__":
    sys.exit(main())
