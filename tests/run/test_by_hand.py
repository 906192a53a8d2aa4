"""Notebooks that a reader opens on a finished run, and figures drawn otherwise than its study says."""

import os
import shutil
import subprocess
import sys

import papermill
import pytest
import yaml
from synthetic_study import ARMS, make_arm, make_problems

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.files.manifest import sha256
from longcot.files.paths import ROOT, resolve
from longcot.run import redraw
from longcot.run.by_hand import opened, plot_parameters
from longcot.run.jobs import study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.study.reading import load_study

NOTHING = {"study": "", "tasks": [], "problems": {}, "label_corrections": "", "main_arm": "", "deviations": []}
NOTHING |= {"published": {}}
KEYS = ("problem", "expected_answer", "text", "problem_id", "finish_reason", "completion_tokens")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of imported traces that ended: what the defaults of 02 read, and three arms to plot."""
    made = tmp_path_factory.mktemp("made")
    name = f"test-{os.getpid()}-by-hand"
    problems = make_problems(made / "problems.jsonl", 40)
    source = {arm[0]: str(made / make_arm(made, arm, problems, samples=1)["traces"]) for arm in ARMS[:4]}
    imported = {arm: {"source": file, "keys": {key: key for key in KEYS}} for arm, file in source.items()}
    arms = [{"name": arm, "imported": imported[arm]} for arm in ("base", "instruct", "reasoner")]
    arms.append({"name": "set", "use": "curate", "data": {"teacher": "reasoner", "n": 5}})
    study = {"name": name, "title": "Finished", "main_arm": "instruct", "arms": arms, "difficulty_model": "base"}
    study["problems"] = {"benchmark": {"source": str(made / "problems.jsonl")}}
    study["training_traces"] = [{"name": one, "imported": imported[one]} for one in ("base", "reasoner")]
    (made / "study.yaml").write_text(yaml.safe_dump(study))
    run = resolve(f"runs/{name}")
    longcot_run(made / "study.yaml")
    yield made / "study.yaml", run
    for folder in (run, run.with_name(f"{name}-by-hand")):
        shutil.rmtree(folder, ignore_errors=True)


def longcot_run(study) -> str:
    done = subprocess.run([sys.executable, "-m", "longcot", "run", str(study)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def hashes(run) -> dict[str, str]:
    files = (file for file in run.rglob("*") if file.is_file() and ".snakemake" not in file.parts)
    return {str(file.relative_to(run)): sha256(file) for file in files if file.name != "lock"}


def test_a_reader_changes_nothing_in_a_finished_run(finished, tmp_path):
    """Run All in each notebook that writes to a run, with its defaults, but for the name of the run."""
    study, run = finished
    before, beside = hashes(run), run.with_name(f"{run.name}-by-hand")
    for notebook in ("02_analyze_curation", "04_plot_evaluation"):
        source = str(ROOT / f"notebooks/{notebook}.ipynb")
        papermill.execute_notebook(
            source, str(tmp_path / "x.ipynb"), {"run_dir": str(run)}, kernel_name="python3", progress_bar=False
        )
    assert hashes(run) == before
    assert (beside / "training_sets/explore-20.jsonl").is_file()
    assert (beside / "traces/base/benchmark.jsonl").is_symlink()
    for name in ("tables/arms.csv", "tables/differences.csv", "figures/ranked_arms.png"):
        assert (beside / name).read_bytes() == (run / name).read_bytes(), "as the run's own study says"
    longcot_run(study)
    assert hashes(run) == before, "and the study has nothing to do"


def test_what_is_made_beside_a_run_replaces_a_link_and_not_the_file(finished, capsys):
    _, run = finished
    before, beside = hashes(run), opened(run)
    assert beside == run.with_name(f"{run.name}-by-hand") and "stays as it is" in capsys.readouterr().out
    assert opened(beside) == beside, "it is anybody's to write"
    assert main(["regrade", str(beside / "traces/base/benchmark.jsonl")]) == 0
    (beside / "traces/instruct/benchmark.jsonl").unlink()
    (beside / "traces/instruct/benchmark.jsonl").symlink_to("gone")
    assert opened(run) == beside and (beside / "traces/instruct/benchmark.jsonl").exists()
    assert hashes(run) == before
    how = plot_parameters(beside, **(NOTHING | {"main_arm": "base"}))
    assert (how.study, how.main_arm) == ("Finished", "base") and len(how.tasks) == 3, "what is given holds"


def test_a_study_that_only_curates_has_nothing_to_plot(tmp_path):
    data = {"teacher": "t", "n": 2}
    values = {"name": "c", "title": "c", "arms": [{"name": "set", "use": "curate", "data": data}]}
    values["training_traces"] = [{"name": "t", "imported": {"source": "x.jsonl", "keys": {}}}]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(BadInput, match="only curates, so there is nothing to plot; see notebook 02"):
        plot_parameters(tmp_path, **NOTHING)


def test_figures_drawn_otherwise_are_drawn_again_by_the_study(tmp_path, monkeypatch):
    """With --config, or from a study file that was changed since."""
    monkeypatch.setattr(redraw, "run_notebook", lambda *given: None)
    monkeypatch.setattr(redraw, "hold_lock", lambda run: "")  # held for the life of a process
    monkeypatch.setattr(redraw, "write_report", lambda run: run / "report.html")
    study, stamp = load_study("params/miniature.yaml"), tmp_path / "stamps/04_plot_evaluation.done"
    write_jobs(study_jobs(study), 1, tmp_path / "jobs.json")
    for folder in ("traces", "stamps"):
        (tmp_path / folder).mkdir()
    stamp.touch()
    redraw.redraw(study, tmp_path)
    assert stamp.exists(), "nothing to do for the study"
    redraw.redraw(load_study("params/miniature.yaml", ["main_arm=instruct"]), tmp_path)
    assert not stamp.exists()
