"""The jobs of a study in a file, as the Snakefile and `run.notebook` read them."""

from collections.abc import Sequence
from pathlib import Path

from longcot.files.writing import write_json
from longcot.run.jobs import Job

RESOURCES = {  # our names, and those of Snakemake and of its executor for Slurm
    "memory_mb": "mem_mb",
    "gpus": "gpu",
    "runtime_minutes": "runtime",
    "partition": "slurm_partition",
    "account": "slurm_account",
}


def write_jobs(jobs: Sequence[Job], threads: int, path: Path) -> None:
    """The jobs in a file, for the Snakefile and for `run.notebook`: a process of a job reads no study.

    A job is `{name, notebook, parameters, after, products, threads, resources, per_gpu}`. One that shares a GPU asks
    for a share of it in place of a GPU.
    """
    rows = []
    for job in jobs:
        asked = job.request.model_dump(exclude_none=True)
        row = {key: getattr(job, key) for key in ("name", "notebook", "parameters", "after", "products", "per_gpu")}
        resources = {RESOURCES[key]: asked[key] for key in asked}
        if job.per_gpu > 1:
            resources["gpu_share"] = resources.pop("gpu")
        rows.append(row | {"threads": threads, "resources": resources})
    write_json(path, rows)
