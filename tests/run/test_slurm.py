"""Running a study on a cluster, as far as it goes without one; tests/by_hand/slurm.py runs one through a real Slurm."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, resolve
from longcot.run.jobs import study_jobs
from longcot.run.launch import profile_path
from longcot.run.lock import hold_lock
from longcot.run.slurm import cancel_leftovers
from longcot.study.cluster import Jobs
from longcot.study.reading import load_study

PROFILES = sorted(path.parent.name for path in (ROOT / "params/profiles").glob("*/config.yaml"))
GPU = "{gpus: 1, memory_mb: 64000, runtime_minutes: 60, partition: gpu}"


@pytest.fixture
def name(tmp_path):
    """The name of a study of its own, whose run directory is removed afterwards."""
    yield f"test-{os.getpid()}-{tmp_path.name}"
    shutil.rmtree(resolve(f"runs/test-{os.getpid()}-{tmp_path.name}"), ignore_errors=True)


def dry_run(name: str, profile: str, *more: str) -> dict[str, str]:
    """What Snakemake would ask for, as it says it, by the job's name."""
    words = ["--config", f"name={name}", "--config", f"jobs.training={GPU}", "--profile", profile]
    words += ["--", "--dry-run", *more]
    done = subprocess.run(
        [sys.executable, "-m", "longcot", "run", "params/miniature.yaml", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for text in (done.stdout + done.stderr).split("\nrule ")[1:]:
        said = dict(line.strip().split(": ", 1) for line in text.splitlines()[1:] if ": " in line)
        found[said.get("wildcards", text.split(":")[0])] = said.get("resources", "")
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_asks_for_what_the_study_says(name, profile):
    asked = dry_run(name, profile)
    assert len(asked) == 1 + 9 + 1, "all, nine notebooks, the report"
    for job in ("03_finetune_qlora-0", "03_finetune_qlora-1"):
        for resource in ("gpu=1", "mem_mb=64000", "runtime=60", "slurm_partition=gpu"):
            assert resource in asked[f"job={job}"]
    for job in ("01_generate_traces-benchmark-trained-0", "02_analyze_curation", "04_plot_evaluation"):
        assert "mem_mb=1500" in asked[f"job={job}"]
        assert not any(word in asked[f"job={job}"] for word in ("gpu", "runtime", "slurm_"))


def test_a_profile_or_an_option_overrides_a_request(name):
    asked = dry_run(name, PROFILES[0], "--set-resources", "finetune_qlora:gpu=4")
    assert "gpu=4" in asked["job=03_finetune_qlora-0"] and "gpu" not in asked["job=04_plot_evaluation"]


def test_a_profile_is_named_or_a_path(tmp_path):
    (tmp_path / "config.yaml").write_text("jobs: 1\n")
    assert profile_path("slurm") == ROOT / "params/profiles/slurm" and profile_path(str(tmp_path)) == tmp_path
    with pytest.raises(BadInput, match="profile slrm: no config.yaml there; use one of slurm, slurm-single-node"):
        profile_path("slrm")


def test_what_a_client_of_a_server_asks_for():
    server = "models.reasoner.server={urls: ['http://localhost:8000/v1']}"
    study = load_study("params/miniature.yaml", [f"jobs.sampling={GPU}", "jobs.runtime_minutes=9", server])
    asked = {
        job.name: (job.request.gpus, job.request.memory_mb, job.request.runtime_minutes) for job in study_jobs(study)
    }
    assert asked["01_generate_traces-benchmark-trained-0"] == (1, 64000, 60)
    served = [job.name for job in study_jobs(study) if any(getattr(task, "server", None) for task in job.tasks)]
    assert len(served) == 2, "its traces to choose from, and those of the benchmark"
    for job in [*served, "03_finetune_qlora-0", "04_plot_evaluation"]:
        assert asked[job] == (None, 1500, 9)


@pytest.mark.parametrize(
    "request_, message",
    [
        ("{gpu: 1}", "unknown key 'gpu'; did you mean 'gpus'"),
        ("{gpus: 0}", "greater than or equal to 1"),
        ("{gpus: '1'}", "is a text to YAML"),
        ("{partition: --wrap=x}", "String should match"),
    ],
)
def test_a_wrong_request_is_one_line(request_, message):
    with pytest.raises(BadInput, match=message):
        load_study("params/miniature.yaml", [f"jobs.training={request_}"])


def test_the_page_on_clusters_shows_requests_that_hold():
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "params/profiles/README.md").read_text(), re.S)[1]
    jobs = Jobs(**yaml.safe_load(shown)["jobs"])
    assert jobs.request(jobs.training).runtime_minutes == 720 and jobs.request().gpus is None


def test_a_job_loads_one_base():
    other = "models.instruct={path: other/base, precision: bfloat16}"
    jobs = study_jobs(load_study("params/miniature.yaml", [other, "jobs.arms_per_job=2"]))
    for job in jobs:
        if job.notebook in ("01_generate_traces", "03_finetune_qlora"):
            assert len({task.base for task in job.tasks}) == 1
    plain = [[task.name for task in job.tasks] for job in jobs if "benchmark-plain" in job.name]
    assert plain == [["base", "reasoner"], ["instruct"]]


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A Slurm whose queue is a file: `squeue` prints it, `scancel` takes the jobs that it is given out of it."""
    queue, programs = tmp_path / "queue", tmp_path / "bin"
    programs.mkdir()
    (programs / "squeue").write_text(f'#!/bin/sh\n[ -f "{queue}" ] && cat "{queue}"\n')
    (programs / "scancel").write_text(f'#!/bin/sh\nfor job; do sed -i "/^$job|/d" "{queue}"; done\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return queue


def test_what_a_killed_run_left_in_the_queue_is_cancelled(queue, tmp_path):
    others = f"11|rule_x_wildcards_y|{tmp_path}/other\n12|a server|{tmp_path}\n"
    queue.write_text(f"10|rule_generate_traces_wildcards_z|{tmp_path}\n{others}")
    with pytest.raises(BadInput, match="jobs of process 7 on elsewhere, which ran this study; .* scancel 10"):
        cancel_leftovers(tmp_path, "elsewhere:7")
    cancel_leftovers(tmp_path, f"{socket.gethostname()}:7")
    assert queue.read_text() == others
    queue.unlink()
    cancel_leftovers(tmp_path, "elsewhere:7")  # a machine with Slurm's programs, but not of its cluster
    (tmp_path / ".snakemake/slurm_logs").mkdir(parents=True)
    with pytest.raises(BadInput, match="Slurm does not answer, and jobs of an earlier run may be at work"):
        cancel_leftovers(tmp_path, "elsewhere:7")


def test_the_lock_says_who_held_it(tmp_path):
    code = "import sys; from pathlib import Path; from longcot.run.lock import hold_lock; hold_lock(Path(sys.argv[1]))"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    assert holder.wait() == 0
    assert hold_lock(tmp_path) == f"{socket.gethostname()}:{holder.pid}"
    hold_lock.file.close()


def test_a_job_ends_with_its_owner_where_it_can_see_it():
    code = "import sys, time; from longcot.run.lock import end_with; end_with(sys.argv[1]); print('on', flush=True)\n"
    code += "time.sleep(2.5); print('still on')"
    owner = subprocess.Popen(["sleep", "60"])
    try:
        words = [f"{socket.gethostname()}:{owner.pid}", f"elsewhere:{owner.pid}"]
        jobs = [subprocess.Popen([sys.executable, "-c", code, who], stdout=subprocess.PIPE, text=True) for who in words]
        for job in jobs:
            assert job.stdout.readline() == "on\n"
    finally:
        owner.kill()
        owner.wait()
    (here, _), (elsewhere, _) = [job.communicate() for job in jobs]
    assert here == "" and elsewhere == "still on\n"
