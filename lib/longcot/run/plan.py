"""What a study would do and what it would cost, before anything runs. Lengths are measured ones where traces exist."""

import heapq
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from longcot.figures.task import said_instead
from longcot.files.manifest import status
from longcot.files.paths import display_path, resolve
from longcot.files.run_directory import REPORT
from longcot.files.text_table import text_table
from longcot.problems.sources import ProblemSet
from longcot.run.engine_fit import engine_fit
from longcot.run.expected import expected_tokens, learnt_tokens, problem_count
from longcot.run.jobs import FINETUNE, Job, study_jobs
from longcot.run.training_fit import longest_expected, model_config, slow_on_cpu, training_fit
from longcot.sampling.task import SampleTask
from longcot.study.preview import previews
from longcot.study.study import Model, Study

COLUMNS = 100  # of a terminal, which tables fit
BYTES_PER_TOKEN = 4  # of a trace on disk, about: English and LaTeX in the tokens of Qwen2.5
BYTES_PER_TRACE = 600  # the rest of its line
BYTES_PER_LORA_WEIGHT = 4  # the adapter itself; checkpoints, three times that, go when it is done
ASKED = {"gpus": "{} GPU", "memory_mb": "{} MB", "runtime_minutes": "{} min", "partition": "{}", "account": "{}"}


def _sampling_rows(study: Study, job: Job) -> list[dict[str, Any]]:
    """One row for each arm or teacher of a job of notebook 01."""
    given = ProblemSet(**job.settings["problems"])
    models = {arm.name: arm.model for arm in study.arms} | {one.name: one.model for one in study.training_traces}
    rows = []
    for task in job.tasks:
        problems = problem_count(task.problems or given)
        responses = problems * task.sampling.samples * (1 + len(task.edits))
        tokens, source = expected_tokens(study, task.name, models[task.name], task.traces)
        rows.append({"responses": responses, "tokens": responses * tokens, "lengths": source})
    return rows


def engine_starts(parameters: dict[str, Any]) -> int:
    """How often a job starts an engine, by its parameters: once for each base that it samples with one."""
    return len({json.dumps((task["base"], task["engine"])) for task in parameters["tasks"] if task.get("engine")})


def job_row(study: Study, job: Job) -> dict[str, Any]:
    """What a job makes: `responses`, `tokens` (written, or trained on), `seconds` (None where no rate is known),
    `disk_mb`, `engine_starts` and how many of its files are there; and what it `asks` a cluster for.
    """
    row: dict[str, Any] = {"job": job.name, "responses": 0, "tokens": 0.0, "lengths": "", "disk_mb": 0.0}
    rate: float | None = 1.0
    if any(isinstance(task, SampleTask) for task in job.tasks):
        rows, rate = _sampling_rows(study, job), study.assume.sampling_tokens_per_s
        row |= {key: sum(one[key] for one in rows) for key in ("responses", "tokens")}
        row["lengths"] = ", ".join(dict.fromkeys(one["lengths"] for one in rows))
        row["disk_mb"] = (row["tokens"] * BYTES_PER_TOKEN + row["responses"] * BYTES_PER_TRACE) / 1e6
    elif job.notebook == FINETUNE:
        rate = study.assume.training_tokens_per_s
        for task in job.tasks:
            data = study.arm(task.name).data
            tokens, row["lengths"] = learnt_tokens(study, data)
            row["tokens"] += data.size * tokens * task.lora.epochs
    states = [status(resolve(study.run_dir) / product) for product in job.products]
    row["engine_starts"] = engine_starts(job.parameters) if states.count("done") < len(states) else 0
    seconds = study.assume.job_seconds + row["engine_starts"] * study.assume.engine_seconds
    row["seconds"] = seconds + row["tokens"] / rate if rate else None
    asked = job.request.model_dump(exclude_none=True)
    words = [form.format(asked[key]) for key, form in ASKED.items() if key in asked]
    return row | {"files": f"{states.count('done')} of {len(states)}", "asks": ", ".join(words)}


def model_row(study: Study, name: str, model: Model) -> dict[str, Any]:
    """A model's size: parameters, GB of weights as sampled, of an adapter, and of the cache of one full response.

    `train_gb` is the peak of training on the longest trace that may come, where an arm is trained on the model;
    `disk_gb` what the study adds: an nf4 base is saved dequantized; `at_once` how many full responses fit. The
    key-value cache of a token takes 2 (keys, values) x layers x key-value heads x head size x bytes a value. Nothing
    is known of a Hub model whose configuration is not at hand.
    """
    import torch

    from longcot.models.loading import context_length, empty_model
    from longcot.models.sizes import BYTES, cache_numbers
    from longcot.qlora.memory import training_memory_gb

    row: dict[str, Any] = {"model": name, "path": model.path, "precision": model.precision}
    config = model_config(model)
    if config is None:
        return row
    with torch.device("meta"):
        network = empty_model(config)
    count = sum(weights.numel() for weights in network.parameters())
    linear = [layer for layer in network.get_decoder().modules() if isinstance(layer, torch.nn.Linear)]
    own = [study.lora_of(arm) for arm in study.arms if arm.trained and arm.model == name]
    lora = max((one.rank for one in own), default=study.lora.rank)
    lora *= sum(layer.in_features + layer.out_features for layer in linear)
    width = BYTES[study.lora.compute_dtype if model.precision == "nf4" else model.precision]
    limits = (study.sampling.max_tokens, model.context or context_length(config)) if study.sampling else (0,)
    full = min(filter(None, limits), default=0)
    cache = cache_numbers(config) * width * full
    row |= {"parameters": count, "weights_gb": count * width / 1e9, "cache_gb": cache / 1e9}
    row |= {"adapter_gb": lora * BYTES_PER_LORA_WEIGHT / 1e9}
    row |= {"disk_gb": row["weights_gb"] if model.precision == "nf4" else 0.0}
    needs = [training_memory_gb(config, one, longest_expected(study, one, config)) for one in set(own)]
    row["train_gb"] = max(needs, default=0.0)
    room = (study.assume.gpu_memory_gb or 0) * 0.9 - row["weights_gb"]  # vLLM takes 90% of a GPU unless told
    grows = study.assume.gpu_memory_gb and cache
    return row | ({"at_once": max(int(room / row["cache_gb"]), 0)} if grows else {})


def serve_commands(study: Study) -> list[str]:
    """The command that serves each model of the study that has URLs, with its adapters."""
    if not any(model.server for model in study.models.values()):
        return []
    from longcot.run.servers import study_commands

    return study_commands(study)


def wall_seconds(jobs: Sequence[Job], seconds: Sequence[float], at_once: int) -> float:
    """How long the jobs take with so many running at once: whenever one is free, the first job that can start does."""
    free, ends = [0.0] * at_once, {}
    left = dict(zip((job.name for job in jobs), zip(jobs, seconds, strict=True), strict=True))
    while left:
        now = heapq.heappop(free)
        ready = {
            name: max([now, *(ends[before] for before in job.after)])
            for name, (job, _) in left.items()
            if ends.keys() >= set(job.after)
        }
        name = min(ready, key=ready.get)
        ends[name] = ready[name] + left.pop(name)[1]
        heapq.heappush(free, ends[name])
    return max(free)


def plan(study: Study, cores: int, side_by_side: int | None = None) -> str:
    """The plan as text: jobs, models and how they are asked, the whole on so many cores, and how to serve what is to be
    served. `side_by_side` is `study_jobs`'.
    """
    jobs = study_jobs(study, side_by_side)
    rows = pd.DataFrame([job_row(study, job) for job in jobs])
    models = pd.DataFrame([model_row(study, name, model) for name, model in study.models.items()])
    parts = [study.title, *_finished(study, rows), jobs_table(rows)]
    if len(models):
        parts.append(models_table(models))
    parts += map(str, previews(study, shipped=True))
    for fit in (engine_fit(study), training_fit(study)):
        parts += ["\n".join(words for _, words in fit.values())] if fit else []
    parts += [f"warning: {words}" for words in slow_on_cpu(study)]
    if starts := rows.engine_starts.sum():
        parts.append(f"engine starts: {starts}, about {study.assume.engine_seconds:g} s each, counted above")
    if own := [f"  {arm.name}: {said_instead(arm.own)}" for arm in study.arms if arm.own]:
        parts.append("\n".join(["in place of the study's settings:", *own]))
    parts.append(_whole(study, jobs, rows, models, max(cores // study.jobs.threads, 1)))
    return "\n\n".join([*parts, *serve_commands(study)])


def _finished(study: Study, rows: pd.DataFrame) -> list[str]:
    """A line on a study that has run to its end, else none."""
    report = resolve(study.run_dir) / REPORT
    if not report.is_file() or any(_open(row) for row in rows.to_dict("records")):
        return []
    return [f"finished: all is made, and nothing would run; {display_path(report)}"]


def jobs_table(rows: pd.DataFrame) -> str:
    """The jobs, where their lengths are from, and what they ask a cluster for."""
    table = [("job", "made", "responses", "tokens", "disk, MB", "s")]
    for row in rows.to_dict("records"):
        counts = (f"{row['responses']:,}", f"{row['tokens']:,.0f}", f"{row['disk_mb']:,.1f}")
        table.append((row["job"], row["files"], *counts, "?" if pd.isna(row["seconds"]) else f"{row['seconds']:,.0f}"))
    lines = [text_table(table), "", *_alike(rows, "lengths", "lengths: "), *_alike(rows, "asks", "asked for a job: ")]
    return "\n".join(lines).strip("\n")


def _alike(rows: pd.DataFrame, column: str, what: str) -> list[str]:
    """What stands in a column, once for all jobs that are alike in it, and their names where they differ."""
    said = rows[rows[column] != ""]
    lines = []
    for value, jobs in said.groupby(column, sort=False)["job"]:
        whose = "" if len(jobs) == len(said) else f" ({', '.join(jobs)})"
        lines += textwrap.wrap(f"{what}{value}{whose}", COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def models_table(models: pd.DataFrame) -> str:
    """The models and their sizes, in GB; ? of what is not at hand."""
    sizes = [column for column in models if column.endswith("_gb")]
    names = [name.removesuffix("_gb") for name in sizes]
    rest = [column for column in ("at_once",) if column in models]
    table = [("model", "precision", "parameters", *names, *(name.replace("_", " ") for name in rest))]
    for row in models.to_dict("records"):
        known = not pd.isna(row.get("parameters"))
        numbers = [f"{row['parameters']:,.0f}" if known else "?", *(_short(row[size]) for size in sizes)]
        table.append((row["model"], row["precision"], *numbers, *(_short(row[name]) for name in rest)))
    missing = "; ? of a model that is not at hand" if models.isna().any(axis=None) else ""
    return f"{text_table(table)}\n\nsizes in GB{missing}"


def _short(number: float) -> str:
    return "?" if pd.isna(number) else f"{number:,.3g}"


def _open(row: Mapping[str, Any]) -> bool:
    """Whether a job has files to make yet."""
    done, _, every = row["files"].partition(" of ")
    return done != every


def _whole(study: Study, jobs: Sequence[Job], rows: pd.DataFrame, models: pd.DataFrame, at_once: int) -> str:
    """Responses, tokens, disk, hours and cost of the study."""
    words = [f"all: {rows.responses.sum():,} responses, {rows.tokens.sum():,.0f} tokens"]
    words.append(f"{_disk_gb(study, rows, models):,.3g} GB on disk in {display_path(resolve(study.run_dir))}")
    if rows.seconds.isna().any():
        words.append("hours: give assume.sampling_tokens_per_s and assume.training_tokens_per_s")
    else:
        hours = wall_seconds(jobs, list(rows.seconds), at_once) / 3600
        words.append(f"{hours:,.2f} hours with {at_once} jobs at once")
        if study.assume.usd_per_hour is not None:
            words.append(f"{hours * study.assume.usd_per_hour:,.2f} USD at {study.assume.usd_per_hour} an hour")
    return "; ".join(words)


def _disk_gb(study: Study, rows: pd.DataFrame, models: pd.DataFrame) -> float:
    """Traces, bases saved dequantized (one for all models on the same path), and adapters."""
    total = rows.disk_mb.sum() / 1e3
    if "disk_gb" in models:
        total += models.drop_duplicates("path").disk_gb.sum()
        sizes = models.set_index("model").adapter_gb.fillna(0.0)
        total += sum(sizes[arm.model] for arm in study.arms if arm.trained)
    return total
