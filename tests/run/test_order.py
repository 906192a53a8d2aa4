"""In which order Snakemake takes a study's jobs."""

import subprocess
import sys

from longcot.files.paths import ROOT
from longcot.run.jobs import study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.study.reading import load_study


def test_training_comes_before_sampling_so_that_short_jobs_fill_the_end(tmp_path):
    jobs = study_jobs(load_study("params/curation.yaml"), 2)
    run_dir = tmp_path / "run"
    write_jobs(jobs, 1, run_dir / "jobs.json")
    rules = (ROOT / "notebooks/Snakefile").read_text()
    rules = rules.replace("{program} job {here}", "echo >> {here}/order")
    rules = rules.replace("&& touch", "&& sleep 0.2 && touch")
    (tmp_path / "Snakefile").write_text(rules.replace("{program} report {here}", "touch {here}/report.html"))
    words = ["--snakefile", str(tmp_path / "Snakefile"), "--directory", str(run_dir), "--cores", "2", "--quiet", "all"]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    order = [line.strip() for line in (run_dir / "order").read_text().splitlines()]
    assert sorted(order) == sorted(job.name for job in jobs)
    trained = [name for name in order if name.startswith("03")]
    sampled = [name for name in order if "benchmark-trained" in name]
    assert len(trained) > 1 and max(map(order.index, trained)) < min(map(order.index, sampled))
