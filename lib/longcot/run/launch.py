"""Starting Snakemake on a study."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from longcot.files.errors import BadInput
from longcot.files.manifest import status
from longcot.files.paths import ROOT, resolve
from longcot.files.run_directory import JOBS, SNAKEMAKE_LOCKS, STUDY, stamp
from longcot.files.writing import write_whole
from longcot.run.jobs import Job, study_jobs, write_jobs
from longcot.run.lock import hold_lock, owner
from longcot.run.slurm import cancel_leftovers
from longcot.study.study import Study


def forget_lost(run_dir: Path, jobs: Sequence[Job]) -> None:
    """Remove the stamp of a job whose products are no longer there whole, so that it runs again."""
    for job in jobs:
        done = run_dir / stamp(job.name)
        if done.exists() and not all(status(run_dir / product) == "done" for product in job.products):
            done.unlink()


def profile_path(name: str) -> Path:
    """The directory of a Snakemake profile: one of params/profiles by its name, or any by its path."""
    for folder in (ROOT / "params/profiles" / name, resolve(name)):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(found.parent.name for found in (ROOT / "params/profiles").glob("*/config.yaml")))
    raise BadInput(f"profile {name}: no config.yaml there; use one of {known}, or the path of a directory with one")


def cores_of(study: Study, cores: int | None, profile: Path | None) -> int:
    """The cores that a plan counts with: so many, or what a profile's jobs take at once, or all of this machine."""
    if cores or not profile:
        return cores or os.cpu_count()
    at_once = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8")).get("jobs", 1)
    return study.jobs.threads * (len(study_jobs(study)) if at_once == "unlimited" else int(at_once))


def run(study: Study, cores: int | None, profile: Path | None, snakemake: Sequence[str]) -> None:
    """Become Snakemake on this study, first clearing what a killed run left: its lock, its jobs in Slurm's queue.

    `cores` bounds what runs at once: None is all of this machine, or what the profile says. `snakemake` are more
    options of its own.
    """
    run_dir, cores = resolve(study.run_dir).resolve(), cores or (None if profile else os.cpu_count())
    last, jobs = hold_lock(run_dir), study_jobs(study)
    if not (dry := {"-n", "--dry-run", "--dryrun"} & set(snakemake)):
        cancel_leftovers(run_dir, last)
    write_whole(run_dir / STUDY, yaml.safe_dump(study.model_dump(), sort_keys=False, allow_unicode=True))
    write_jobs(jobs, study.jobs.threads, run_dir / JOBS)
    forget_lost(run_dir, jobs)
    for lock in (run_dir / SNAKEMAKE_LOCKS).glob("*"):
        lock.unlink()  # its owner is gone: a living one would hold the lock above
    os.environ["LONGCOT_OWNER"] = owner()
    os.chdir(run_dir)  # the working directory of its jobs in Slurm, by which they are known
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "notebooks" / "Snakefile")]
    command += ["--directory", str(run_dir), "--rerun-incomplete", "--quiet", "host" if dry else "rules", "progress"]
    command += ["--cores", str(cores)] if cores else []
    command += ["--profile", str(profile)] if profile else []
    command += ["--config", f"run_dir={run_dir}", f"root={ROOT}", *snakemake]
    os.execv(sys.executable, command)
