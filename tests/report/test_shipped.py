"""Runs that are shipped, and figures drawn again from them."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from synthetic_study import ARMS, make_study

from longcot.figures import ranked_arms
from longcot.figures.results import read_results
from longcot.figures.tables import ARMS as COLUMNS
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, resolve
from longcot.files.writing import write_table
from longcot.problems.sources import load_problems
from longcot.report import shipped
from longcot.run.jobs import study_jobs
from longcot.run.redraw import redraw
from longcot.study.reading import load_study

SHIPPED = sorted(path.parent.name for path in shipped.RESULTS.glob(f"*/{shipped.ARCHIVE}"))


@pytest.fixture
def study(tmp_path):
    """A study of imported traces with a run directory in which everything was made but its figures."""
    name = f"test-{os.getpid()}-shipped"
    run = resolve(f"runs/{name}")
    run.mkdir(parents=True)
    given = make_study(run, ARMS[:2], count=8)
    keys = {"problem": "problem", "expected_answer": "expected_answer", "text": "text", "problem_id": "problem_id"}
    arms = [
        {"name": arm["name"], "imported": {"source": str(run / arm["traces"]), "keys": keys}} for arm in given["tasks"]
    ]
    benchmark = {"source": str(run / "problems.jsonl")}
    values = {"name": name, "title": "t", "arms": arms, "main_arm": "base", "problems": {"benchmark": benchmark}}
    (run / "study.yaml").write_text(yaml.safe_dump(values))
    yield load_study(run / "study.yaml"), run
    for folder in (run, resolve(f"runs/{name}-shipped"), shipped.RESULTS / name):
        shutil.rmtree(folder, ignore_errors=True)


def test_figures_from_stored_traces_and_from_a_shipped_run(study, monkeypatch, tmp_path, capsys):
    study, run = study
    assert redraw(study) == run / "report.html"
    drawn = sorted(path.name for path in (run / "figures").glob("*.csv"))
    first = [(run / "figures" / name).read_bytes() for name in drawn]
    monkeypatch.setattr(shipped, "RESULTS", tmp_path)
    out = shipped.pack(run, traces=True)
    packed = (out / shipped.ARCHIVE).read_bytes()
    assert sorted(path.name for path in (out / "figures").glob("*.csv")) == drawn
    assert shipped.pack(run, traces=True) == out and (out / shipped.ARCHIVE).read_bytes() == packed, "the same bytes"
    problems = (run / "problems.jsonl").read_bytes()
    shutil.rmtree(run)
    run.mkdir()
    (run / "problems.jsonl").write_bytes(problems)  # a study's problems are no part of its run
    report = redraw(study)
    assert report == resolve(f"runs/{study.name}-shipped/report.html") and report.is_file()
    assert "shows the run in" in capsys.readouterr().err
    assert [(report.parent / "figures" / name).read_bytes() for name in drawn] == first
    assert not (run / "traces").exists(), "the study stays to be run"


def test_nothing_to_draw_from(study, tmp_path):
    study, run = study
    shutil.rmtree(run / "traces")
    done = subprocess.run(
        [sys.executable, "-m", "longcot", "figures", str(run / "study.yaml")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1 and done.stderr == f"error: runs/{study.name}: no traces there; run the study first " \
        "(make study STUDY=params/…)\n"  # fmt: skip
    with pytest.raises(BadInput, match="no tables or no study.yaml"):
        shipped.pack(run)
    (tmp_path / "run.tar.xz").write_bytes(b"torn")
    with pytest.raises(BadInput, match="run.tar.xz: damaged"):
        shipped.unpack(tmp_path / "run.tar.xz", tmp_path / "x")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_tables_are_those_of_the_shipped_traces(name, tmp_path):
    shipped.unpack(shipped.archive_of(name), tmp_path)
    job = study_jobs(load_study(tmp_path / "study.yaml"))[-1]
    benchmark = load_problems(**job.settings["problems"])
    results = read_results(tmp_path, job.tasks, benchmark, job.settings["main_arm"])
    write_table(tmp_path / "arms.csv", ranked_arms.table(results)[list(COLUMNS)])
    assert (tmp_path / "arms.csv").read_bytes() == (shipped.RESULTS / name / "tables/arms.csv").read_bytes()
