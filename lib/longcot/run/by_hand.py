"""A study's run that is opened by hand: its notebooks read it, and write beside it, so that it stays as it was made."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from longcot.figures.task import PlotParameters
from longcot.files.errors import BadInput
from longcot.files.manifest import manifest_path, status
from longcot.files.paths import display_path, resolve
from longcot.files.run_directory import (
    EVERY_ADAPTER,
    EVERY_DATA_SHEET,
    EVERY_LIKELIHOOD,
    EVERY_SAMPLED_MODEL,
    EVERY_TRACES,
    EVERY_TRAINING_SET,
    STUDY,
)
from longcot.files.strict import parse
from longcot.files.writing import writing
from longcot.run.jobs import PLOT, study_jobs
from longcot.run.lock import WRITES
from longcot.study.reading import load_study

BESIDE = "-by-hand"
LINKED = (EVERY_TRACES, EVERY_LIKELIHOOD, EVERY_TRAINING_SET, EVERY_ADAPTER, EVERY_SAMPLED_MODEL)


def opened(run_dir: str | Path) -> Path:
    """The directory that a notebook works in, from its parameter `run_dir` (relative to the project).

    A study's run is written by the study's own jobs alone. For everybody else it is a folder beside it, which has links
    to all that is finished there; what the notebook makes anew takes the place of a link, and the run stays as it is.
    A directory without a study.yaml of its own is anybody's to write. Raises BadInput where the folder cannot be made.
    """
    run = resolve(run_dir)
    whole = (run / STUDY).is_file() and not (run / STUDY).is_symlink()
    if not whole or os.environ.get(WRITES) == str(run.resolve()):
        return run
    beside = run.with_name(run.name + BESIDE)
    with writing(beside):
        for path in _finished(run.resolve()):
            link = beside / path.relative_to(run.resolve())
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.unlink(missing_ok=True)  # one that led to what is gone
                link.symlink_to(path)
    print(f"{display_path(run)} is a study's run and stays as it is: what is made here goes to {display_path(beside)}")
    return beside


def _finished(run: Path) -> Iterator[Path]:
    """The study of a run, and its files and folders that are complete, with their manifests."""
    yield run / STUDY
    for pattern in LINKED:
        for path in run.glob(pattern):
            if manifest_path(path).is_file() and status(path) == "done":
                yield from (path, manifest_path(path))
    yield from run.glob(EVERY_DATA_SHEET)


def plot_parameters(run: Path, **given: Any) -> PlotParameters:
    """The parameters of notebook 04: where no tasks are given, those that are empty are as the study of the run says.

    Raises BadInput for values that do not fit, and where a study is needed and not there.
    """
    if not given["tasks"]:
        job = study_jobs(load_study(run / STUDY))[-1]
        if job.notebook != PLOT:
            raise BadInput(f"{display_path(run)}: its study only curates, so there is nothing to plot; see notebook 02")
        own = job.parameters
        given = {name: value or own.get(name, value) for name, value in given.items()}
    return parse(PlotParameters, given, "parameters")
