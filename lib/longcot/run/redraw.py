"""A study's figures, tables and report made again from its stored traces: nothing is sampled, trained or chosen.

`python -m longcot.redraw params/x.yaml` is what `make figures` calls. Where the study was never run here, the run that
is shipped with the project is unpacked to `runs/<study>-shipped` and drawn there; `make study` still runs it for real.
"""

import argparse
import sys
from pathlib import Path

from longcot.files.errors import BadInput, command
from longcot.files.paths import ROOT, resolve, shown
from longcot.files.run_directory import STUDY, TRACES, executed, notebook_source
from longcot.report.page import write_report
from longcot.report.shipped import archive_of, unpack
from longcot.run.jobs import study_jobs
from longcot.run.lock import hold_lock
from longcot.run.notebook import run_notebook
from longcot.study.reading import load_study
from longcot.study.study import Study


def redraw(study: Study) -> Path:
    """Run the study's last notebook, which draws, and write the report; returns its path.

    Raises BadInput where there are no traces to draw from, and as the notebook does.
    """
    run_dir, archive = study.run_dir, archive_of(study.name)
    if not (resolve(run_dir) / TRACES).is_dir():
        if not archive.is_file():
            raise BadInput(f"{run_dir}: no traces there; run the study first (make study STUDY=params/…)")
        run_dir += "-shipped"
        print(f"{study.run_dir} is not there: {run_dir} shows the run in {shown(archive)}", file=sys.stderr)
    hold_lock(resolve(run_dir))
    if run_dir != study.run_dir:
        unpack(archive, resolve(run_dir))
        study = load_study(f"{run_dir}/{STUDY}")
    job = study_jobs(study)[-1]
    copy = resolve(run_dir) / executed(job.name)
    run_notebook(notebook_source(ROOT, job.notebook), copy, job.parameters | {"run_dir": run_dir})
    return write_report(run_dir)


@command
def main(words: list[str]) -> None:
    """The command. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot.redraw", description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--config", action="append", default=[], help="key.of.a.key=value in place of the file's")
    given = parser.parse_args(words)
    print(shown(redraw(load_study(given.study, given.config))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
