"""How far a run is: jobs done and left, what runs, the time left over all, loss and accuracy so far.

All of it is read from the run directory, so any process on any machine that sees it can ask.
"""

import csv
import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import (
    JOBS,
    LOCK,
    LOSS,
    REPORT,
    STUDY,
    adapter,
    benchmark_traces,
    checkpoint_states,
    error_line,
    executed,
    stamp,
)
from longcot.run.sampled import Sampled, sampled_files
from longcot.run.time_left import in_words, seconds_left
from longcot.study.reading import load_study
from longcot.study.study import Study

State = Literal["done", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Progress:
    """A run as it is now. `seconds_left` is None where no rate is known yet."""

    run_dir: Path
    study: Study
    jobs: dict[str, State]
    alive: str  # host:pid of the process that runs it; empty for none
    arms: list[Sampled]
    losses: dict[str, float]  # the last one of each arm that is trained
    seconds_left: float | None

    @property
    def done(self) -> bool:
        """Whether all is made, the report too."""
        return all(state == "done" for state in self.jobs.values()) and (self.run_dir / REPORT).is_file()

    def of(self, state: State) -> list[str]:
        """The jobs in a state."""
        return [name for name, own in self.jobs.items() if own == state]

    def work(self) -> str:
        """The jobs and the time left, in a line."""
        words = [f"{len(self.of('done'))} of {len(self.jobs)} jobs done"]
        words += [f"running {', '.join(self.of('running'))}"] if self.of("running") else []
        words += [f"failed {', '.join(self.of('failed'))}"] if self.of("failed") else []
        return "; ".join([*words, *([] if self.done else [in_words(self.seconds_left)])])

    def line(self) -> str:
        """How far it is, in a line, with the last losses and the accuracies so far."""
        words = [self.work()]
        if self.losses:
            words.append("loss " + ", ".join(f"{arm} {loss:.3f}" for arm, loss in list(self.losses.items())[-4:]))
        scored = [f"{arm.name} {arm.so_far.right / arm.so_far.rows:.1%}" for arm in self.arms if arm.so_far.rows]
        words += ["right " + ", ".join(scored[-6:])] if scored else []
        return "; ".join(words)


def read_progress(run_dir: Path) -> Progress:
    """How far the run in a directory is. Raises BadInput where there is none."""
    file = run_dir / JOBS
    if not file.is_file() or not (run_dir / STUDY).is_file():
        raise BadInput(f"{display_path(run_dir)}: no jobs.json and study.yaml in it; give the directory of a run")
    study, rows = load_study(run_dir / STUDY), json.loads(file.read_text(encoding="utf-8"))
    alive = _owner(run_dir)
    jobs: dict[str, State] = {row["name"]: _state(run_dir, row["name"], bool(alive)) for row in rows}
    sampled = sampled_files(study, run_dir)
    arms = {benchmark_traces(arm.name) for arm in study.arms}
    return Progress(
        run_dir=run_dir,
        study=study,
        jobs=jobs,
        alive=alive,
        arms=[one for path, one in sampled.items() if path in arms],
        losses={arm.name: loss for arm in study.arms if arm.trained and (loss := _loss(run_dir / adapter(arm.name)))},
        seconds_left=seconds_left(study, run_dir, rows, jobs, sampled),
    )


def _owner(run_dir: Path) -> str:
    """Who holds the run's lock; empty where nobody does."""
    try:
        with open(run_dir / LOCK, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return ""
    except BlockingIOError:
        return (run_dir / LOCK).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _state(run_dir: Path, job: str, alive: bool) -> State:
    """A job runs where the run that lives has begun its executed copy."""
    if (run_dir / stamp(job)).exists():
        return "done"
    if (run_dir / error_line(job)).exists():
        return "failed"
    copy = run_dir / executed(job)
    begun = alive and copy.exists() and copy.stat().st_mtime >= (run_dir / LOCK).stat().st_mtime
    return "running" if begun else "waiting"


def _loss(folder: Path) -> float | None:
    """The last loss of an adapter: of its log when it is trained, of its last checkpoint before."""
    with_loss: list[dict[str, Any]] = []
    if (folder / LOSS).is_file():
        with open(folder / LOSS, encoding="utf-8", newline="") as file:
            with_loss = list(csv.DictReader(file))
    else:
        logs = [json.loads(file.read_text(encoding="utf-8"))["log_history"] for file in checkpoint_states(folder)]
        with_loss = [row for row in max(logs, key=len, default=[]) if "loss" in row]
    return float(with_loss[-1]["loss"]) if with_loss else None
