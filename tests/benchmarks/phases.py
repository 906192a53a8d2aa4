"""The training and the sampling of a finished run again, each on one card, both at once; how long each phase takes.

    VLLM=/path/to/vllm python tests/benchmarks/phases.py params/gemma-3-270m.yaml runs/gemma-3-270m --cards 0 1 \
        --config models.base.path=/path/to/gemma-3-270m

For a run that had several cards: beside its own phases it shows what the others were worth, in little more time than
the longer phase takes. Each goes on from a copy of the run without what that phase makes (`runs/NAME-training` and
`runs/NAME-sampling`): the training of all adapters, or the sampling of all arms that wait for them. Cards that
are no others' are needed, one each; without a GPU both run on the CPU. `first_start.py` before the run has vLLM compile
its graphs, which else the run of several cards alone would do.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from cards import ROOT, jobs_of, phase_seconds, study_command, visible

from longcot.files.run_directory import executed, stamp

PHASES = ("training", "sampling")
TRAINING, SAMPLING, PLOTS = re.compile("^03"), re.compile("-trained|-examples"), re.compile("^04")  # names of jobs


def without(run: Path, phase: str, copy: Path) -> list[str]:
    """Copy a run without what a phase makes and what is made of that; returns the stamps of its jobs."""
    left = {".snakemake", "lock", "figures", "report.html", "traces.html", "traces_files", "engines"}
    left |= {"adapters"} if phase == "training" else set()
    shutil.copytree(run, copy, ignore=lambda folder, names: left.intersection(names))
    own = TRAINING if phase == "training" else SAMPLING
    jobs = {job["name"]: job["products"] for job in json.loads((run / "jobs.json").read_text())}
    for job, products in jobs.items():
        if any(name.search(job) for name in (own, SAMPLING, PLOTS)):
            for made in (stamp(job), executed(job), *products):
                for file in copy.glob(f"{made}*"):  # its manifest too
                    file.unlink()
    return sorted(stamp(job) for job in jobs if own.search(job))


def main() -> None:
    """Run both phases at once; a table of them beside the run's own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cards", nargs=2, default=["0", "1"], help="of training and of sampling")
    parser.add_argument("--config", nargs="*", default=[], help="changes of the study, as of the run")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    given = parser.parse_args()
    running = {}
    for phase, card in zip(PHASES, given.cards, strict=True):
        copy = ROOT / "runs" / f"{given.run.name}-{phase}"
        if copy.exists():
            sys.exit(f"{copy} is there: move it away")
        stamps = without(given.run, phase, copy)
        command = [*study_command(given.study, copy.name, given.cores, given.config), "--", "--until", *stamps]
        environment = os.environ | ({"GPUS": card} if visible() else {})
        running[phase] = copy, subprocess.Popen(command, env=environment)
    rows = []
    for phase, (copy, process) in running.items():
        if process.wait():
            sys.exit(f"{copy}: it failed")
        several, one = (phase_seconds(jobs_of(run), phase) for run in (given.run, copy))
        rows.append({"phase": phase, "several_s": several, "one_s": one})
        print(rows[-1], flush=True)  # a machine that is lent may be gone before the other phase ends
    table = pd.DataFrame(rows)
    table.loc[len(table)] = {"phase": "both", **table.drop(columns="phase").sum()}
    print(table.assign(ratio=(table["one_s"] / table["several_s"]).round(2)).to_markdown(index=False))


if __name__ == "__main__":
    main()
