"""Starting Snakemake on a study."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from longcot.files.errors import BadInput
from longcot.files.manifest import status
from longcot.files.paths import ROOT, resolve
from longcot.files.privacy import scrubbed
from longcot.files.processes import end_marked
from longcot.files.run_directory import EVERY_ENGINE_FOLDER, EVERY_ENGINE_LOG, JOBS, SNAKEMAKE_LOCKS, STUDY, stamp
from longcot.files.writing import write_whole
from longcot.files.yaml_file import read_yaml
from longcot.models.cards import cards
from longcot.run.environment import prepare
from longcot.run.gpus import pool
from longcot.run.jobs import Job, on_gpus, study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.run.lock import OWNER, hold_lock, owner
from longcot.run.slurm import cancel_leftovers
from longcot.sampling.engines.vllm import PROGRAM, program
from longcot.study.study import Study


def forget_lost(run_dir: Path, jobs: Sequence[Job]) -> None:
    """Remove the stamp of a job whose products are no longer there whole, so that it runs again."""
    for job in jobs:
        done = run_dir / stamp(job.name)
        if done.exists() and not all(status(run_dir / product) == "done" for product in job.products):
            done.unlink()


def have_engine(study: Study) -> None:
    """See that there is a vLLM where a study starts one; `make engine` installs it on a machine with a GPU.

    Raises BadInput where there is none and none can be had.
    """
    if not any(model.engine for model in study.models.values()):
        return
    try:
        program()
    except BadInput:
        if os.environ.get(PROGRAM) or not cards():
            raise
        if subprocess.run(["make", "-C", str(ROOT), "engine"]).returncode:
            raise BadInput(f"make engine failed, see above; or name another vLLM: {PROGRAM}=/path/to/vllm") from None


def end_leftovers(run_dir: Path, last: str) -> None:
    """End what a killed run (`last`, host:pid) left on this machine; nothing is left of its engines but clean logs."""
    if last.rpartition(":")[0] == socket.gethostname():
        end_marked(OWNER, last)
    for log in run_dir.glob(EVERY_ENGINE_LOG):
        write_whole(log, scrubbed(log.read_text(encoding="utf-8", errors="replace")))
    for folder in run_dir.glob(EVERY_ENGINE_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


def profile_path(name: str) -> Path:
    """The directory of a Snakemake profile: one of params/profiles by its name, or any by its path."""
    for folder in (ROOT / "params/profiles" / name, resolve(name)):
        if (folder / "config.yaml").is_file():
            file = read_yaml(folder / "config.yaml")  # Snakemake reads it again, and would pass over what stands twice
            if not isinstance(file.values, dict):
                raise BadInput(f"{file.where()}: not a mapping of options; see params/profiles")
            return folder
    known = ", ".join(sorted(found.parent.name for found in (ROOT / "params/profiles").glob("*/config.yaml")))
    raise BadInput(f"profile {name}: no config.yaml there; use one of {known}, or the path of a directory with one")


def cores_of(study: Study, cores: int | None, profile: Path | None) -> int:
    """The cores that a plan counts with: so many, or what a profile's jobs take at once, or all of this machine."""
    if cores or not profile:
        return cores or os.cpu_count()
    at_once = read_yaml(profile / "config.yaml").values.get("jobs", 1)
    return study.jobs.threads * (len(study_jobs(study)) if at_once == "unlimited" else int(at_once))


def side_by_side(study: Study, cores: int) -> int:
    """How many jobs that train or sample run at once on so many cores of this machine, or on its GPUs."""
    at_once = max(cores // study.jobs.threads, 1)
    return min(len(pool()) * study.jobs.per_gpu or at_once, at_once)


def run(study: Study, cores: int | None, profile: Path | None, snakemake: Sequence[str]) -> None:
    """Become Snakemake on this study, first clearing what a killed run left: its lock, its jobs in Slurm's queue.

    `cores` bounds what runs at once: None is all of this machine, or what the profile says. `snakemake` are more
    options of its own.
    """
    run_dir, cores = resolve(study.run_dir).resolve(), cores or (None if profile else os.cpu_count())
    count = 0 if profile else len(pool())
    jobs = study_jobs(study, None if profile else side_by_side(study, cores))
    if not profile:
        jobs = on_gpus(jobs, count, study.jobs.per_gpu)
    if not (dry := {"-n", "--dry-run", "--dryrun"} & set(snakemake)):
        have_engine(study)
    last = hold_lock(run_dir)
    if not dry:
        cancel_leftovers(run_dir, last)
        end_leftovers(run_dir, last)
    write_whole(run_dir / STUDY, yaml.safe_dump(study.model_dump(), sort_keys=False, allow_unicode=True))
    write_jobs(jobs, study.jobs.threads, run_dir / JOBS)
    forget_lost(run_dir, jobs)
    for lock in (run_dir / SNAKEMAKE_LOCKS).glob("*"):
        lock.unlink()  # its owner is gone: a living one would hold the lock above
    prepare()
    os.environ[OWNER] = owner()
    os.chdir(run_dir)  # the working directory of its jobs in Slurm, by which they are known
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "notebooks" / "Snakefile")]
    command += ["--directory", str(run_dir), "--rerun-incomplete", "--quiet", "host" if dry else "rules", "progress"]
    command += ["--cores", str(cores)] if cores else []
    command += ["--profile", str(profile)] if profile else []
    command += ["--resources", f"gpu={count}", f"gpu_share={count * study.jobs.per_gpu}"] if count else []
    command += snakemake
    os.execv(sys.executable, command)
