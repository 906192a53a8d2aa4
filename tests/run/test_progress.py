"""How far a run is, by what lies in its directory."""

import json
import os
import re
import time

import nbformat
import pytest
import yaml
from notebook_cells import write_notebook

from longcot.files.manifest import Product, begun_path, manifest_path
from longcot.files.text_table import text_table
from longcot.run.jobs import study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.run.lock import hold_lock, owner
from longcot.run.notebook import run_notebook
from longcot.run.progress import read_progress
from longcot.run.sampled import counts_in
from longcot.run.status import follow, status_text
from longcot.study.reading import load_study
from longcot.traces.trace import Trace, read_traces, write_traces

PARTS, PLAIN = {"train": "train", "benchmark": "test"}, {"name": "plain", "model": "base"}
STUDY = {
    "name": "progress",
    "title": "Does it go on?",
    "problems": {name: {"source": f"miniature:{part}", "limit": 4} for name, part in PARTS.items()},
    "models": {"base": {"path": "lib/longcot/miniature/weights/world1/base"}},
    "sampling": {"max_tokens": 100, "samples": 2},
    "training_traces": [{"model": "base"}],
    "main_arm": "plain",
    "arms": [PLAIN, PLAIN | {"name": "tuned", "data": {"teacher": "base", "n": 2}}],
}


def traces(count: int) -> list[Trace]:
    """Traces of 10 tokens each, every other one right, whose texts look like what is searched for."""
    return [
        Trace(
            problem_id=str(i // 2), sample=i % 2, problem="1+1?", expected_answer="2", model="m", answer="2",
            text='{"correct":true,"completion_tokens":99}', completion_tokens=10, correct=i % 2 == 0,
        )
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture
def run_dir(tmp_path):
    """A run whose teacher is sampled and whose choice is made; nobody runs it."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    write_jobs(study_jobs(load_study(tmp_path / "study.yaml")), 1, tmp_path / "jobs.json")
    for job in ("01_generate_traces-training-0", "02_analyze_curation"):
        (tmp_path / "stamps").mkdir(exist_ok=True)
        (tmp_path / f"stamps/{job}.done").touch()
    making = Product(tmp_path / "traces/base/training.jsonl", {})
    write_traces(making.path, traces(4))
    making.finish()
    made = manifest_path(making.path)
    made.write_text(json.dumps(json.loads(made.read_text()) | {"seconds": 2.0}))
    return tmp_path


def test_counts_are_those_of_the_traces(tmp_path):
    file = tmp_path / "t.jsonl"
    write_traces(file, traces(7))
    with open(file, "a") as lines:
        lines.write('{"torn": "correct":true')
    counts, read = counts_in(file), read_traces(file)
    assert (counts.rows, counts.right) == (len(read), sum(trace.correct for trace in read)) == (7, 4)
    assert counts.tokens == 70 and counts_in(tmp_path / "none.jsonl").rows == 0


def test_what_is_left_goes_by_the_rates_of_the_run(run_dir):
    now = read_progress(run_dir)
    assert (len(now.of("done")), now.of("running"), now.alive) == (2, [], "")
    assert now.seconds_left is None, "nothing was trained yet"
    study = yaml.safe_load((run_dir / "study.yaml").read_text())
    study |= {"assume": {"training_tokens_per_s": 100.0, "job_seconds": 0.0}, "lora": {"epochs": 10}}
    (run_dir / "study.yaml").write_text(yaml.safe_dump(study))
    # 40 tokens in 2 seconds. Plain: 8 responses of the limit's 100 tokens, 40 s. Training: 2 traces, 10 tokens, 10
    # times, 2 s; then 8 responses as long as the teacher's, 4 s. Side by side where there are two cores.
    now = read_progress(run_dir)
    assert now.seconds_left == pytest.approx(46 if os.cpu_count() == 1 else 40, rel=0.1)
    assert "2 of 6 jobs done" in now.work() and "less than a minute left" in now.work()
    assert "nothing runs it now" in status_text(now) and "goes on with it" in status_text(now)


def test_arms_that_are_sampled_side_by_side_share_their_time(run_dir):
    """Each was taken for the only one: twelve arms on two GPUs had "about 10.7 hours left" and took five minutes."""
    study = yaml.safe_load((run_dir / "study.yaml").read_text())
    study |= {"arms": [PLAIN | {"name": f"plain-{n}"} for n in range(4)], "main_arm": "plain-0"}
    study |= {"assume": {"job_seconds": 0.0}, "training_traces": []}
    (run_dir / "study.yaml").write_text(yaml.safe_dump(study))
    (only,) = [job for job in study_jobs(load_study(run_dir / "study.yaml"), 4) if "benchmark" in job.name]
    write_jobs([only], 1, run_dir / "jobs.json")
    for n in range(4):
        begun = Product(run_dir / f"traces/plain-{n}/benchmark.jsonl", {})
        write_traces(begun.path, traces(4))
        at = time.time() - 8
        os.utime(begun_path(begun.path), (at, at))
    # Of each arm 4 of 8 responses, all in the same 8 seconds; so the other halves take 8 more.
    assert read_progress(run_dir).seconds_left == pytest.approx(8, rel=0.1)


def test_an_adapter_is_left_to_train_from_its_last_checkpoint(run_dir):
    study = yaml.safe_load((run_dir / "study.yaml").read_text())
    study |= {"assume": {"training_tokens_per_s": 1.0, "job_seconds": 0.0}, "lora": {"epochs": 10}}
    (run_dir / "study.yaml").write_text(yaml.safe_dump(study))
    tuning = [job for job in json.loads((run_dir / "jobs.json").read_text()) if "finetune" in job["name"]]
    (run_dir / "jobs.json").write_text(json.dumps([job | {"after": []} for job in tuning]))
    assert read_progress(run_dir).seconds_left == pytest.approx(200)  # 2 traces of 10 tokens, 10 times
    state = run_dir / "adapters/tuned.training/checkpoint-4/trainer_state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"log_history": [], "global_step": 4, "max_steps": 5}))
    assert read_progress(run_dir).seconds_left == pytest.approx(40)


def test_an_engine_that_is_still_to_start_is_counted(run_dir):
    study = yaml.safe_load((run_dir / "study.yaml").read_text())
    study["models"]["base"]["engine"] = "vllm"
    study |= {"assume": {"training_tokens_per_s": 1e9, "job_seconds": 0.0, "engine_seconds": 5000.0}}
    (run_dir / "study.yaml").write_text(yaml.safe_dump(study))
    jobs = study_jobs(load_study(run_dir / "study.yaml"), 1)
    write_jobs(jobs, 1, run_dir / "jobs.json")
    for job in jobs[:2]:  # what needs no adapter, and the choice
        (run_dir / f"stamps/{job.name}.done").touch()
    assert read_progress(run_dir).seconds_left == pytest.approx(5000 + 4, abs=1)


def test_a_run_that_lives_says_what_runs_with_loss_and_accuracy(run_dir, capsys):
    hold_lock(run_dir)
    copy = run_dir / "notebooks/03_finetune_qlora-0.ipynb"
    copy.parent.mkdir()
    copy.touch()
    os.utime(copy, (time.time() + 1,) * 2)
    for step, losses in ((2, [2.0, 1.5]), (4, [2.0, 1.5, 1.25, 1.125])):
        state = run_dir / f"adapters/tuned.training/checkpoint-{step}/trainer_state.json"
        state.parent.mkdir(parents=True)
        log = [{"loss": loss} for loss in losses]
        state.write_text(json.dumps({"log_history": log, "global_step": step, "max_steps": 5}))
    write_traces(run_dir / "traces/plain/benchmark.jsonl", traces(4))
    now = read_progress(run_dir)
    assert (now.of("running"), now.alive) == (["03_finetune_qlora-0"], owner())
    assert now.line().endswith("loss tuned 1.125; right plain 50.0%")
    assert "running  03_finetune_qlora-0" in status_text(now) and f"process {os.getpid()} on" in status_text(now)
    said = []
    with pytest.raises(InterruptedError):

        def say(line: str) -> None:
            said.append(line)
            raise InterruptedError

        follow(run_dir, say, every_s=0.01)
    assert said == [f"[{run_dir.name}] {now.line()}"]


def test_a_failed_job_is_named_with_its_error(run_dir):
    error = run_dir / "notebooks/03_finetune_qlora-0.error.txt"
    error.parent.mkdir()
    error.write_text("error: out of memory; run fewer jobs\n")
    now = read_progress(run_dir)
    assert now.of("failed") == ["03_finetune_qlora-0"]
    assert "out of memory; run fewer jobs" in status_text(now)


def test_a_finished_run_shows_its_scores(run_dir):
    for job in json.loads((run_dir / "jobs.json").read_text()):
        (run_dir / f"stamps/{job['name']}.done").touch()
    (run_dir / "report.html").touch()
    (run_dir / "tables").mkdir()
    heads = (
        "arm,model,n_train,pass_at_1,pass_at_1_low,pass_at_1_high,maj_at_k,k,mean_tokens,finished,n_problems,n_samples"
    )
    (run_dir / "tables/arms.csv").write_text(f"{heads}\nplain,base,0,0.5,0.25,0.75,0.5,2,,1,4,8\n")
    now = read_progress(run_dir)
    assert now.done and now.work() == "6 of 6 jobs done"
    told = status_text(now)
    assert re.search(r"^plain +50\.0 +25\.0 to 75\.0 +50\.0$", told, re.M)
    assert told.splitlines()[-1].endswith("report.html")


def test_a_table_for_the_terminal():
    rows = [("arm", "right, %"), ("a", "5.0"), ("long name", "")]
    assert text_table(rows).splitlines() == ["arm        right, %", "a               5.0", "long name"]


ARMS_SIDE_BY_SIDE = """
import time
from pathlib import Path
from longcot.problems.problem import Problem
from longcot.sampling.generate import generate_traces
from longcot.sampling.requests import Completion
from longcot.sampling.settings import Sampling
from longcot.sampling.side_by_side import side_by_side

class Sampler:
    def responses(self, requests, done, sampling, **names):
        for request in requests:
            time.sleep(0.02)
            yield [(request, Completion("so 2", "stop", 3, 4))]

def sample(name):
    problems = [Problem(id=str(n), problem="1 + 1?", expected_answer="2") for n in range(4)]
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=9, samples=8, seed=1)
    return generate_traces(Sampler(), problems, Path(folder) / name / "benchmark.jsonl", sampling, model="m")

side_by_side(sample, ["a", "b", "c"], 3)
"""


def test_an_executed_copy_shows_each_bar_once(monkeypatch, tmp_path, capsys):
    """As it ended, though arms side by side move theirs in turn; the terminal sees them move."""
    monkeypatch.setenv("TQDM_MININTERVAL", "0.05")
    write_notebook(tmp_path / "n.ipynb", 'folder: str = "runs/x"', ARMS_SIDE_BY_SIDE)
    run_notebook(tmp_path / "n.ipynb", tmp_path / "out.ipynb", {"folder": str(tmp_path)})
    outputs = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs
    (bars,) = [output.text for output in outputs if output.output_type == "stream"]
    lines = bars.splitlines()
    assert "\x1b" not in bars and len(lines) <= 4, bars
    assert all(sum(line.startswith(f"{name}/benchmark: 100%") for line in lines) == 1 for name in "abc"), bars
    assert capsys.readouterr().err.count("a/benchmark:") > 2
