"""A study's figures, tables and report made again from its stored traces: nothing is sampled or trained.

Where the study was never run here, the run that is shipped with the project is unpacked to `runs/<study>-shipped` and
drawn there, its curation by notebook 02 too; `make study` still runs it for real.
"""

import json
import sys
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.manifest import sha256
from longcot.files.paths import ROOT, display_path, resolve
from longcot.files.run_directory import EVERY_TRAINING_SET, JOBS, STUDY, TRACES, executed, notebook_source, stamp
from longcot.report.page import write_report
from longcot.report.shipped import archive_of, unpack
from longcot.report.trace_page.write import write_trace_page
from longcot.run.jobs import CURATE, Job, study_jobs
from longcot.run.lock import hold_lock
from longcot.run.notebook import run_notebook
from longcot.study.reading import load_study
from longcot.study.study import Study


def redraw(study: Study, run_dir: Path | None = None) -> Path:
    """Run the study's last notebook, which draws, and write the report; returns its path.

    The run is the one in `run_dir` (absolute), else the study's own, else the one that is shipped. Raises BadInput
    where there are no traces to draw from, and as the notebook does.
    """
    run, archive = run_dir or resolve(study.run_dir), archive_of(study.name)
    shipped = not (run / TRACES).is_dir()
    if shipped and (run_dir or not archive.is_file()):
        raise BadInput(f"{display_path(run)}: no traces there; run the study first (make study STUDY=params/…)")
    if shipped:
        run = resolve(f"{study.run_dir}-shipped")
        print(
            f"{study.run_dir} is not there: {display_path(run)} shows the run in {display_path(archive)}",
            file=sys.stderr,
        )
    hold_lock(run)
    if shipped:
        unpack(archive, run)
        study = load_study(run / STUDY)
    *earlier, job = study_jobs(study)
    for one in earlier:
        if shipped and one.notebook == CURATE and not (run / executed(one.name)).is_file():
            _show_curation(one, run)
            unpack(archive, run)  # the training sets' manifests are those of the choice, not of showing it
    if json.loads(json.dumps(job.parameters)) != _ran_with(run, job.name):
        (run / stamp(job.name)).unlink(missing_ok=True)  # drawn otherwise than the run's study says: it will draw again
    run_notebook(notebook_source(ROOT, job.notebook), run / executed(job.name), job.parameters | _at(run))
    if missing := write_trace_page(run):
        print(missing, file=sys.stderr)
    return write_report(run)


def _show_curation(job: Job, run: Path) -> None:
    """Run notebook 02 on a shipped run, whose sets it chooses again; where they come out otherwise, it is not shown."""
    shipped = {file: sha256(file) for file in run.glob(EVERY_TRAINING_SET)}
    run_notebook(notebook_source(ROOT, CURATE), run / executed(job.name), job.parameters | _at(run))
    if changed := [file for file, was in shipped.items() if sha256(file) != was]:
        (run / executed(job.name)).unlink()
        print(f"{display_path(changed[0])}: comes out otherwise than shipped; no curation is shown", file=sys.stderr)


def _at(run: Path) -> dict[str, str]:
    """The parameter that says where a run is."""
    return {"run_dir": str(run.relative_to(ROOT) if run.is_relative_to(ROOT) else run)}


def _ran_with(run: Path, name: str) -> dict[str, Any]:
    """The parameters with which a job of the run ran last; empty where it never did."""
    jobs = json.loads((run / JOBS).read_text(encoding="utf-8")) if (run / JOBS).is_file() else []
    return next((job["parameters"] for job in jobs if job["name"] == name), {})
