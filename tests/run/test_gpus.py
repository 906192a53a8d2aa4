"""Leases of pretended cards: jobs never meet on one, none waits for ever, and a killed job's card comes back."""

import json
import os
import random
import subprocess
import sys
import time

import psutil
import pytest

from longcot.files.errors import BadInput
from longcot.models.cards import Card, cards
from longcot.run import gpus
from longcot.run.gpus import leased, pool
from longcot.run.jobs import on_gpus, study_jobs
from longcot.run.plan import engine_starts, plan
from longcot.study.reading import load_study

JOB = """
import json, os, sys, time
from longcot.models.cards import Card
from longcot.run.gpus import leased
cards = [Card(str(n), f"GPU-{n}", 80.0, 0.0) for n in range(4)]
with leased(int(sys.argv[1]), cards, int(sys.argv[3])) as own:
    began = time.time()
    time.sleep(float(sys.argv[2]))
    print(json.dumps([began, time.time(), [card.name for card in own], os.environ["CUDA_VISIBLE_DEVICES"]]), flush=True)
"""


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """A place of its own for the locks, also in processes that a test starts."""
    monkeypatch.setenv("LONGCOT_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(gpus, "LOCKS", tmp_path / "locks")
    return tmp_path / "locks"


def job(count: int, seconds: float, per_gpu: int = 1) -> subprocess.Popen:
    command = [sys.executable, "-c", JOB, str(count), str(seconds), str(per_gpu)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def alive(pid: int) -> bool:
    """Whether a process runs, and does not only wait for its end to be noticed."""
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_fifty_jobs_on_four_cards_never_meet_and_all_have_their_turn(locks):
    rng, rows = random.Random(1), []
    kinds = [rng.choice(((1, 1), (1, 3), (1, 3), (2, 1), (3, 1), (4, 1))) for _ in range(50)]
    jobs = [(count, per_gpu, job(count, rng.uniform(0.0, 0.2), per_gpu)) for count, per_gpu in kinds]
    for count, per_gpu, process in jobs:
        began, ended, names, visible = json.loads(process.communicate(timeout=120)[0])
        assert len(set(names)) == count and visible == ",".join(names)
        rows += [(name, began, ended, per_gpu) for name in names]
    for card in "0123":
        spans = [row[1:] for row in rows if row[0] == card]
        for began, _, per_gpu in spans:
            here = [one for one in spans if one[0] <= began < one[1]]
            assert {one[2] for one in here} == {per_gpu} and len(here) <= per_gpu, "more on a card than may share it"


def test_jobs_that_share_cards_spread_over_them_and_a_whole_card_waits_for_its_last_share(locks):
    first = [job(1, 3.0, per_gpu=2) for _ in range(8)]
    rows = [json.loads(process.communicate(timeout=60)[0]) for process in first]
    assert sorted(row[2][0] for row in rows) == sorted("01230123")
    assert max(row[0] for row in rows) < min(row[1] for row in rows), "all at once"
    shares = [Card(str(n), f"GPU-{n}") for n in range(2)]
    with leased(1, shares, per_gpu=2) as own, leased(1, shares, per_gpu=2) as other, leased(1, shares, per_gpu=2):
        assert own != other and os.environ["LONGCOT_GPU_SHARE"] == "2"
        whole = job(4, 0.0)
        time.sleep(1)
        assert whole.poll() is None
    assert json.loads(whole.communicate(timeout=60)[0])[2] == list("0123")


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_a_killed_jobs_card_comes_back_when_what_it_left_is_ended(locks, per_gpu):
    """The job is killed; a process that it started lives on, and would hold the card's memory."""
    inside = "subprocess.Popen(['sleep', '600']); print('on', flush=True)"
    child = f"import subprocess\nwith leased(4, cards, {per_gpu}):\n    {inside}"
    code = f"{JOB.split('with leased')[0]}{child}\n    time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "on\n"
    left = subprocess.run(["pgrep", "-P", str(holder.pid)], capture_output=True, text=True).stdout.split()
    waiting = job(1, 0.0)
    time.sleep(1)
    assert waiting.poll() is None, "the card is taken"
    holder.kill()
    assert json.loads(waiting.communicate(timeout=60)[0])[3] in "0123"
    assert left and not any(psutil.pid_exists(int(pid)) and alive(int(pid)) for pid in left)


def test_the_pool_is_what_is_named_or_visible(monkeypatch):
    there = [Card(str(n), f"GPU-{n}", 80.0, 0.0) for n in range(3)]
    monkeypatch.setattr("longcot.models.cards._listed", lambda: there)
    assert pool() == there
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-2,1")
    assert [card.name for card in cards()] == ["2", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-7,MIG-8")  # parts of a card pass through
    assert [(card.name, card.total_gb) for card in pool()] == [("MIG-7", None), ("MIG-8", None)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert pool() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("GPUS", "2, 0")
    assert [card.name for card in pool()] == ["2", "0"]
    monkeypatch.setenv("GPUS", "5")
    with pytest.raises(BadInput, match="GPUS=5: no GPU '5' to be seen here; there are: 0, 1, 2"):
        pool()


def test_too_few_cards_are_said_at_once(locks):
    with pytest.raises(BadInput, match="a job asks for 2 GPUs, 1 are there"), leased(2, [Card("0", "GPU-0")]):
        pass


def test_jobs_ask_for_the_cards_of_the_machine():
    engine = "models.base.engine=vllm"
    study = load_study("params/miniature.yaml", [engine, "jobs.arms_per_job=2"])
    asked = {job.name: job.request.gpus for job in on_gpus(study_jobs(study, 4), 4)}
    assert asked["02_analyze_curation"] is asked["04_plot_evaluation"] is None
    trained = [name for name in asked if name.startswith("03")]
    assert len(trained) == 4 and all(asked[name] == 1 for name in trained), "side by side"
    assert asked["01_generate_traces-benchmark-trained-engine-0"] == 4, "one start, replicas on all cards"
    assert asked["01_generate_traces-benchmark-plain-0"] == 1, "in process"
    jobs = {job.name: job for job in study_jobs(study, 4)}
    assert sorted(jobs["01_generate_traces-benchmark-trained-engine-0"].after) == sorted(trained)
    assert {job.request.gpus for job in on_gpus(study_jobs(study), 0)} == {None}
    shared = {job.name: job.per_gpu for job in on_gpus(study_jobs(study, 4), 4, 8)}
    assert all(shared[name] == 8 for name in [*trained, "01_generate_traces-benchmark-plain-0"])
    assert shared["01_generate_traces-benchmark-trained-engine-0"] == 1, "an engine shares its cards with nobody"
    assert len(study_jobs(load_study("params/miniature.yaml"))) == 9, "as before on a machine without"


def test_an_engine_is_started_once_for_all_that_wait_for_the_same():
    changes = [f"models.{name}.engine=vllm" for name in ("base", "reasoner", "instruct")]
    study = load_study("params/miniature.yaml", [*changes, "name=never-run"])
    jobs = {job.name.removeprefix("01_generate_traces-"): job for job in study_jobs(study, 0)}
    assert [name for name, job in jobs.items() if engine_starts(job.parameters)] == [
        "training-and-plain-0",
        "benchmark-trained-engine-0",
    ]
    first, second = jobs["training-and-plain-0"], jobs["benchmark-trained-engine-0"]
    asked = {task.traces: task.problems for task in first.tasks}
    assert asked["traces/reasoner/training.jsonl"] is None and first.settings["problems"]["source"] == "miniature:train"
    assert asked["traces/reasoner/benchmark.jsonl"] == study.problems.benchmark
    assert [task.name for task in second.tasks if task.examples] == ["base-few-shot"]
    made = [product for job in jobs.values() for product in job.products if product.endswith("benchmark.jsonl")]
    assert sorted(made) == sorted(f"traces/{arm.name}/benchmark.jsonl" for arm in study.arms), "each arm once"
    assert "engine starts: 2," in plan(study, cores=2, side_by_side=0)
    assert sum(engine_starts(job.parameters) for job in study_jobs(study)) == 4, (
        "on a cluster nothing waits for the start of another"
    )
    imported = load_study("params/gemma-3-270m.yaml")  # no teacher is sampled
    (only,) = [job for job in study_jobs(imported, 2) if engine_starts(job.parameters)]
    assert {task.name for task in only.tasks} == {arm.name for arm in imported.arms}, "the base waits for adapters"
    mixed = load_study("params/miniature.yaml", changes[1:2])
    assert sum(engine_starts(job.parameters) for job in study_jobs(mixed, 0)) == 1, "a teacher that is an arm too"
