"""How far a run is: jobs done and left, what runs, the time left over all, loss and accuracy so far.

All of it is read from the run directory, so any process on any machine that sees it can ask.
"""

import csv
import fcntl
import functools
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from longcot.files.errors import BadInput
from longcot.files.manifest import begun_path, read_manifest, status
from longcot.files.paths import display_path
from longcot.files.run_directory import (
    JOBS,
    LOCK,
    LOSS,
    REPORT,
    STUDY,
    TRAINING,
    adapter,
    benchmark_traces,
    checkpoint_states,
    error_line,
    executed,
    stamp,
    training_traces,
)
from longcot.run.expected import expected_tokens, problem_count
from longcot.run.jobs import Job
from longcot.run.plan import BYTES_PER_TOKEN, wall_seconds
from longcot.study.reading import load_study
from longcot.study.study import Study

_TOKENS = re.compile(rb'"completion_tokens":(\d+)')
_RIGHT = b'"correct":true'  # no text holds it: quotes within one are written with a backslash

State = Literal["done", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Counts:
    """Of a file of traces so far."""

    rows: int = 0
    right: int = 0
    tokens: int = 0
    size: int = 0  # bytes

    @property
    def mean_tokens(self) -> float:
        """The mean length; about that, where the traces say no lengths."""
        return (self.tokens or self.size / BYTES_PER_TOKEN) / max(self.rows, 1)


@dataclass(frozen=True)
class Sampled:
    """An arm or a teacher: its file, what is in it, and how much will be (None of what is imported)."""

    name: str
    path: Path
    so_far: Counts
    expected: int | None
    mean_tokens: float

    @property
    def tokens_left(self) -> float:
        """The tokens that are still to be written, about."""
        return max((self.expected or 0) - self.so_far.rows, 0) * self.mean_tokens


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
        return "; ".join([*words, *([] if self.done else [_left(self.seconds_left)])])

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
    sampled = _sampled(study, run_dir)
    arms = {benchmark_traces(arm.name) for arm in study.arms}
    return Progress(
        run_dir=run_dir,
        study=study,
        jobs=jobs,
        alive=alive,
        arms=[one for path, one in sampled.items() if path in arms],
        losses={arm.name: loss for arm in study.arms if arm.trained and (loss := _loss(run_dir / adapter(arm.name)))},
        seconds_left=_seconds_left(study, run_dir, rows, jobs, sampled),
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


def _sampled(study: Study, run_dir: Path) -> dict[str, Sampled]:
    """Every file of traces of the study, by its path in the run directory."""
    found: dict[str, Sampled] = {}
    for one in study.training_traces:
        samples = None if one.imported else one.samples * (1 + len(one.edits))
        path, problems = training_traces(one.name), study.problems.train
        counts = counts_in(run_dir / path)
        known = counts.rows or not (one.model or study.sampling)
        mean = counts.mean_tokens if known else expected_tokens(study, one.name, one.model, path)[0]
        expected = samples and problem_count(problems) * samples
        found[path] = Sampled(one.name, run_dir / path, counts, expected, mean)
    for arm in filter(lambda arm: arm.reported, study.arms):
        path, problems = benchmark_traces(arm.name), study.problems.benchmark
        counts = counts_in(run_dir / path)
        if counts.rows or arm.imported:
            mean = counts.mean_tokens
        elif arm.trained:  # as long as what it learns from
            mean = found[training_traces(arm.data.teacher)].mean_tokens
        else:
            mean = expected_tokens(study, arm.name, arm.model, path)[0]
        expected = None if arm.imported else problem_count(problems) * study.sampling_of(arm).samples
        found[path] = Sampled(arm.name, run_dir / path, counts, expected, mean)
    return found


def counts_in(path: Path) -> Counts:
    """What a file of traces holds so far; nothing where there is none."""
    if not path.is_file():
        return Counts()
    return _counts(path, path.stat().st_size, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4096)  # of a file as it was then
def _counts(path: Path, size: int, changed: int) -> Counts:
    rows = right = tokens = 0
    with open(path, "rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):  # a last one without was torn by a kill
                rows, right = rows + 1, right + (_RIGHT in line)
                tokens += int(found[1]) if (found := _TOKENS.search(line)) else 0
    return Counts(rows, right, tokens, size)


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


def _seconds_left(
    study: Study, run_dir: Path, rows: Sequence[dict[str, Any]], jobs: dict[str, State], sampled: dict[str, Sampled]
) -> float | None:
    """Reckoned by the rates of this run, of all that it has made yet; else by those that the study assumes."""
    spent = [(one.so_far.tokens, _seconds(one.path)) for one in sampled.values() if one.expected and one.so_far.rows]
    sampling = _rate(spent) or study.assume.sampling_tokens_per_s
    reports = [run_dir / adapter(arm.name) / TRAINING for arm in study.arms if arm.trained]
    trained = [json.loads(file.read_text(encoding="utf-8")) for file in reports if file.is_file()]
    worked = [(one["tokens_per_s"] * one["seconds"], one["seconds"]) for one in trained]
    training = _rate(worked) or study.assume.training_tokens_per_s
    to_train = {adapter(arm.name): arm for arm in study.arms if arm.trained}
    left, seconds = [], []
    for row in rows:
        if jobs[row["name"]] == "done":
            continue
        needed = study.assume.job_seconds
        for product in row["products"]:
            tokens, rate = sampled[product].tokens_left if product in sampled else 0.0, sampling
            if product in to_train and status(run_dir / product) != "done":
                data, lora = to_train[product].data, study.lora_of(to_train[product])
                mean = sampled[training_traces(data.teacher)].mean_tokens
                tokens, rate = data.n * mean * lora.epochs, training
            if tokens and not rate:
                return None
            needed += tokens / rate if tokens else 0.0
        after = [name for name in row["after"] if jobs[name] != "done"]
        left.append(Job(row["name"], row["notebook"], [], {}, after))
        seconds.append(needed)
    running = list(jobs.values()).count("running")
    at_once = running or max((os.cpu_count() or 1) // study.jobs.threads, 1)
    return wall_seconds(left, seconds, at_once) if left else 0.0


def _seconds(path: Path) -> float:
    """How long a file was made: as its manifest says, or since it was begun."""
    if status(path) == "done":
        return read_manifest(path).get("seconds", 0.0)
    begun = begun_path(path)
    return time.time() - begun.stat().st_mtime if begun.exists() else 0.0


def _rate(spent: Sequence[tuple[float, float]]) -> float | None:
    """Tokens a second over all, of (tokens, seconds)."""
    tokens, seconds = (sum(part) for part in zip(*spent, strict=True)) if spent else (0, 0)
    return tokens / seconds if tokens and seconds else None


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "time left not known yet"
    return f"about {seconds / 3600:.1f} hours left" if seconds > 5400 else f"about {seconds / 60:.0f} min left"
