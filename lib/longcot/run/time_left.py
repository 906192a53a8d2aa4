"""The time that a run still takes: what its files lack, by the rates at which it made the others."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from longcot.files.manifest import read_manifest, seconds_before, status
from longcot.files.run_directory import TRAINING, adapter, checkpoint_states, training_traces
from longcot.run.jobs import Job
from longcot.run.plan import engine_starts, wall_seconds
from longcot.run.sampled import Sampled
from longcot.study.study import Study


def seconds_left(
    study: Study, run_dir: Path, rows: Sequence[dict[str, Any]], states: Mapping[str, str], sampled: dict[str, Sampled]
) -> float | None:
    """Reckoned by the rates of this run, of all that it has made yet; else by those that the study assumes.

    `rows` are those of jobs.json, `states` their jobs' (`done`, `running`...), `sampled` all files of traces by their
    paths. None where a rate is not known.
    """
    to_train = {adapter(arm.name): arm for arm in study.arms if arm.trained}
    sampling = _sampling_rate(rows, sampled) or study.assume.sampling_tokens_per_s
    training = _training_rate(run_dir / product for product in to_train) or study.assume.training_tokens_per_s
    left, seconds = [], []
    for row in rows:
        if states[row["name"]] == "done":
            continue
        files = [sampled[product] for product in row["products"] if product in sampled]
        needed = study.assume.job_seconds
        if not any(one.so_far.rows for one in files):
            needed += engine_starts(row["parameters"]) * study.assume.engine_seconds
        parts = [(sum(one.tokens_left for one in files), sampling)]
        for product in to_train.keys() & set(row["products"]):
            data, lora = to_train[product].data, study.lora_of(to_train[product])
            tokens = data.n * sampled[training_traces(data.teacher)].mean_tokens * lora.epochs
            parts.append((tokens * (1 - _trained_share(run_dir / product)), training))
        for tokens, rate in parts:
            if tokens and not rate:
                return None
            needed += tokens / rate if tokens else 0.0
        after = [name for name in row["after"] if states[name] != "done"]
        left.append(Job(row["name"], row["notebook"], [], {}, after))
        seconds.append(needed)
    running = list(states.values()).count("running")
    at_once = running or max((os.cpu_count() or 1) // study.jobs.threads, 1)
    return wall_seconds(left, seconds, at_once) if left else 0.0


def in_words(seconds: float | None) -> str:
    """`about 12 min left`."""
    if seconds is None:
        return "time left not known yet"
    if seconds < 60:
        return "less than a minute left"
    return f"about {seconds / 3600:.1f} hours left" if seconds > 5400 else f"about {seconds / 60:.0f} min left"


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long any of these (start, end) lasts."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _sampling_rate(rows: Sequence[dict[str, Any]], sampled: dict[str, Sampled]) -> float | None:
    """Tokens a second of one job. Of its files many may be made side by side."""
    tokens = seconds = 0.0
    for row in rows:
        files = [sampled[product] for product in row["products"] if product in sampled]
        files = [one for one in files if one.expected and one.so_far.rows]
        tokens += sum(one.so_far.tokens for one in files)
        seconds += covered(_span(one.path) for one in files)
    return tokens / seconds if tokens and seconds else None


def _training_rate(adapters: Iterable[Path]) -> float | None:
    """Tokens a second of one job, whose adapters are trained one after another."""
    trained = [json.loads(file.read_text(encoding="utf-8")) for one in adapters if (file := one / TRAINING).is_file()]
    seconds = sum(one["seconds"] for one in trained)
    return sum(one["tokens_per_s"] * one["seconds"] for one in trained) / seconds if seconds else None


def _span(path: Path) -> tuple[float, float]:
    """When a file was made, until its last row where it is not whole. Pauses before it was resumed are left out."""
    if status(path) == "done":
        made = read_manifest(path)
        end = datetime.fromisoformat(made["finished_at"]).timestamp()
        return end - made["seconds"], end
    end = path.stat().st_mtime
    return end - seconds_before(path), end


def _trained_share(folder: Path) -> float:
    """How much of an adapter is trained: all of it, or as far as its last checkpoint."""
    if status(folder) == "done":
        return 1.0
    states = [json.loads(file.read_text(encoding="utf-8")) for file in checkpoint_states(folder)]
    return max((one["global_step"] / one["max_steps"] for one in states), default=0.0)
