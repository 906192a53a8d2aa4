"""In which order Snakemake takes a study's jobs."""

import re
import subprocess
import sys

from longcot.files.paths import ROOT
from longcot.run.jobs import study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.study.reading import load_study


def test_training_comes_before_sampling_so_that_short_jobs_fill_the_end(tmp_path):
    jobs = study_jobs(load_study("params/miniature.yaml"), 2)
    write_jobs(jobs, 1, tmp_path / "jobs.json")
    words = [
        "--snakefile",
        str(ROOT / "notebooks/Snakefile"),
        "--directory",
        str(tmp_path),
        "--cores",
        "2",
        "--dry-run",
    ]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], capture_output=True, text=True, cwd=ROOT)
    said = re.findall(r"wildcards: job=(\S+)((?:\n +.*)*)", done.stdout + done.stderr)
    assert sorted(name for name, _ in said) == sorted(job.name for job in jobs)
    before = {name for name, rest in said if "priority: 1\n" in f"{rest}\n"}
    assert before == {job.name for job in jobs if job.name.startswith("03")}
