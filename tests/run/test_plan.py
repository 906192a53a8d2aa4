import pandas as pd
import pytest

from longcot.files.paths import ROOT, resolve
from longcot.run.expected import expected_tokens
from longcot.run.jobs import Job, study_jobs
from longcot.run.plan import job_row, jobs_table, model_row, models_table, plan, wall_seconds
from longcot.sampling.settings import Server
from longcot.study.reading import load_study
from longcot.traces.trace import Trace, write_traces


@pytest.fixture
def fresh(tmp_path):
    """The miniature study under a name that nothing was run for."""
    return load_study("params/miniature.yaml", [f"name={tmp_path.name}"])


def test_the_miniature_plan_is_within_a_factor_of_2_of_what_happened(fresh):
    """Tokens by the shipped run's table; its wall time and disk are in tests/benchmarks/README.md."""
    happened = pd.read_csv(ROOT / "notebooks/results/miniature/tables/arms.csv")
    rows = [job_row(fresh, job) for job in study_jobs(fresh) if "benchmark" in job.name]
    assert sum(row["responses"] for row in rows) == happened.n_samples.sum()
    ratio = sum(row["tokens"] for row in rows) / (happened.mean_tokens * happened.n_samples).sum()
    assert 0.5 < ratio < 2


def test_measured_lengths_win_over_assumed_ones(fresh):
    folder = resolve(fresh.run_dir)
    trace = {"problem": "?", "expected_answer": "1", "model": "m", "text": "1", "completion_tokens": 30}
    assert expected_tokens(fresh, "reasoner", "reasoner", "t.jsonl") == (200, "assumed")
    assert expected_tokens(fresh, "reasoner-50", "base", "t.jsonl") == (200, "assumed"), "its teacher's"
    bare = fresh.model_copy(update={"assume": fresh.assume.model_copy(update={"tokens": {}})})
    assert expected_tokens(bare, "reasoner", "reasoner", "t.jsonl") == (400, "the limit")
    try:
        write_traces(folder / "t.jsonl", [Trace(problem_id="p", sample=0, **trace)])
        assert expected_tokens(fresh, "reasoner", "reasoner", "t.jsonl") == (30, "measured")
    finally:
        (folder / "t.jsonl").unlink()
        folder.rmdir()


def test_jobs_wait_for_those_before_them():
    waits = {"a": [], "b": [], "c": ["a", "b"], "d": ["a"]}
    jobs = [Job(name, "01", (), {}, after) for name, after in waits.items()]
    assert wall_seconds(jobs, [10, 4, 5, 3], 2) == 15
    assert wall_seconds(jobs, [10, 4, 5, 3], 1) == 22


def test_the_size_of_a_model(fresh):
    row = model_row(fresh, "base", fresh.models["base"])
    weights = ROOT / fresh.models["base"].path / "model.safetensors"
    assert row["parameters"] * 2 == pytest.approx(weights.stat().st_size, rel=0.01), "stored in two bytes each"
    adapter = ROOT / fresh.models["reasoner"].adapter / "adapter_model.safetensors"
    assert row["adapter_gb"] * 1e9 == pytest.approx(adapter.stat().st_size, rel=0.1)
    hub = fresh.models["base"].model_copy(update={"path": "nobody/nothing"})
    assert "parameters" not in model_row(fresh, "hub", hub)


def test_the_plan_says_how_to_serve(fresh):
    server = Server(urls=["http://localhost:8000/v1"])
    models = {name: model.model_copy(update={"server": server}) for name, model in fresh.models.items()}
    text = plan(fresh.model_copy(update={"models": models}), cores=2)
    assert text.count("vllm serve ") == 1, "one command for the base and the adapters on it"
    assert "--enable-lora" in text and "--generation-config vllm" in text and "hours with 2 jobs at once" in text
    assert "\n\ntraining on base: " in text


def test_its_tables_fit_a_terminal(fresh):
    rows = pd.DataFrame([job_row(fresh, job) for job in study_jobs(fresh)])
    assert jobs_table(rows).splitlines()[-2:] == ["lengths: assumed", "asked for a job: 1500 MB"]
    rows["asks"] = [f"{number} GPU, 64000 MB, 2880 min, a-partition, an-account" for number in range(len(rows))]
    rows["tokens"] *= 1e4
    sizes = {
        "weights_gb": 65.5,
        "cache_gb": 8.59,
        "adapter_gb": 0.537,
        "disk_gb": 65.5,
        "train_gb": 39.25,
        "at_once": 12,
    }
    models = pd.DataFrame(
        [
            {"model": "math-72b", "precision": "bfloat16", "parameters": 32763876352} | sizes,
            {"model": "hub", "precision": "nf4"},
        ]
    )
    for table in (jobs_table(rows), models_table(models)):
        assert max(map(len, table.splitlines())) <= 100, table
    assert "not at hand" in models_table(models)


def test_a_finished_run_is_said_to_be_one(fresh, monkeypatch):
    monkeypatch.setattr("longcot.run.plan.status", lambda path: "done")
    report = resolve(fresh.run_dir) / "report.html"
    assert "finished:" not in plan(fresh, cores=2)
    report.parent.mkdir()
    report.touch()
    try:
        assert f"finished: all is made, and nothing would run; {fresh.run_dir}/report.html" in plan(fresh, cores=2)
    finally:
        report.unlink()
        report.parent.rmdir()
