"""Sampling an arm (or a teacher) into its file of graded traces."""

import functools
import threading
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.paths import model_name, resolve
from longcot.files.rows import json_rows
from longcot.models.adapter import check_base
from longcot.models.sampled_base import sampled_base
from longcot.models.templates import RAW
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages
from longcot.problems.sources import ProblemSet, load_problems
from longcot.sampling.engines.engines import Engines
from longcot.sampling.live import Curves
from longcot.sampling.prefill import Given
from longcot.sampling.settings import SampleTask
from longcot.sampling.side_by_side import side_by_side
from longcot.traces.trace import iter_traces, trace_counts

_ONE_AT_A_TIME = threading.Lock()  # what arms side by side share is made once: the base, its engine, tokenizers


@functools.lru_cache(maxsize=1)
def _local_sampler(path: str, dtype: str, threads: int, **which: Any) -> Any:
    from longcot.sampling.local import LocalSampler

    return LocalSampler(path, dtype=dtype, threads=threads, **which)


def _sampler(task: SampleTask, base: str, dtype: str, threads: int, engines: Engines | None) -> Any:
    """What samples an arm: its server, its engine, or this process.

    An nf4 base lies in a directory, which has no revision.
    """
    raw = task.prompt.raw if task.style == "raw" else None
    template, stops = (RAW, raw.stops) if raw else (task.prompt.chat_template, [])
    which = task.base.at | ({"revision": ""} if Path(base).is_dir() else {})
    adapter = resolve(task.adapter) if task.adapter else None
    if task.server or task.engine:
        from longcot.sampling.server.sampler import ServerSampler, tokenizer_at_hand

        read = functools.partial(tokenizer_at_hand, base, **which)  # seconds, while the engine starts
        server = task.server or engines.serve(task, base, dtype, meanwhile=read)
        how = {"adapter": adapter, "context": task.context}
        how |= {"backoff_s": 0.5, "slots": engines.slots} if task.engine else {}
        how |= {"chat_template": template, "stops": stops}
        return ServerSampler(server, task.served_as, base, dtype, **how, **which)
    sampler = _local_sampler(base, dtype, threads, **which)
    sampler.use_template(template, stops)
    sampler.use_adapter(adapter, task.context)
    return sampler


def sample_arms(
    tasks: Sequence[SampleTask], problems: Sequence[Problem], run_dir: Path, threads: int = 1, job: str = "explore"
) -> dict[str, Path]:
    """Sample arms into their files of traces, which are returned by their names in the tasks: those of one engine side
    by side, any others one after another.

    `problems` are asked of those that name none of their own; `job` names the logs of engines. Raises BadInput as
    `sample_arm` does; what was under way then ends first.
    """
    sets = functools.cache(lambda given: load_problems(**ProblemSet.model_validate_json(given).model_dump()))
    asked = lambda task: sets(task.problems.model_dump_json()) if task.problems else problems  # noqa: E731
    files: dict[str, Path] = {}
    with Engines(tasks, run_dir, job) as engines:
        for engine, group in groupby(tasks, key=lambda task: task.engine and (task.base, task.engine)):
            arms = list(group)
            for task in arms:
                asked(task)  # a set that cannot be read is said before anything is sampled
            least = min(len(asked(task)) * task.sampling.samples for task in arms)
            at_once = engines.arms_at_once(arms[0], least) if engine else 1
            done = side_by_side(lambda task: sample_arm(task, asked(task), run_dir, threads, engines), arms, at_once)
            files |= {task.traces: file for task, file in zip(arms, done, strict=True)}
    return files


def sample_arm(
    task: SampleTask, problems: Sequence[Problem], run_dir: Path, threads: int = 1, engines: Engines | None = None
) -> Path:
    """Sample an arm on problems into its file of traces, graded; returns the file.

    `engines` are the job's, needed for an arm with an engine. Raises BadInput for an adapter of another base, and where
    samples cannot be had.
    """
    from longcot.sampling.generate import generate_traces

    out = run_dir / task.traces
    with _ONE_AT_A_TIME:
        base, dtype = sampled_base(task.base, task.dtype, run_dir, apart=bool(task.engine))
    adapter = resolve(task.adapter) if task.adapter else None
    example_set = run_dir / task.examples if task.examples else None
    if adapter:
        check_base(adapter, task.base.path)
    begun = run_dir / task.prefill_traces if task.prefill_traces else None
    given = (Path(base) if Path(base).is_dir() else None, adapter, example_set, task.prompt.template_file, begun)
    inputs = [path for path in given if path]
    making = Product(out, task.recipe(dtype, problems, threads), inputs)
    if making.done:
        return out
    rows = json_rows(example_set) if example_set else ()
    examples = [(row["problem"], row["messages"][-1]["content"]) for _, row in rows]
    how = task.prompt.wording_of(task.style) | {"examples": examples}
    names = {"model": model_name(task.base.path), "adapter": task.adapter, "prompt_style": task.prompt_style}
    while True:
        with _ONE_AT_A_TIME:
            sampler, started = _sampler(task, base, dtype, threads, engines), engines.started if engines else 0
        try:
            given = _given(task, begun, sampler)
            with Curves(run_dir, f"{task.name}-{out.stem}") as curves:
                asked = names | how | {"edits": task.edits, "given": given, "curves": curves}
                generate_traces(sampler, problems, out, task.sampling, **asked)
            break
        except BadInput:
            with _ONE_AT_A_TIME:
                revived = task.engine and engines.revive(started)
            if not revived:  # else a server had died: the rest is asked of a new one
                raise
    first = build_messages(task.prompt_style, problems[0], **how)
    # Scores differ between two versions of one software.
    found = {"served_by": sampler.served_by} if task.server or task.engine else {}
    found |= _how_it_was_asked(sampler)
    if given:
        first.append({"role": "assistant", "content": given(problems[0].id, 0)})
        found["given_tokens"] = sum(trace.given_tokens for trace in iter_traces(out))
    making.finish(**trace_counts(out), first_prompt=sampler.prompt_text(first), **found)
    return out


def _given(task: SampleTask, begun: Path | None, sampler: Any) -> Given | None:
    """What is given of each response, of the traces in `begun`. Raises BadInput where the server cannot take it."""
    if task.prefill is None:
        return None
    if task.server and task.server.api == "chat":
        raise BadInput(f"arm {task.name}: prefill with api: chat, which begins each response itself; use completions")
    return task.prefill.of(iter_traces(begun) if begun else (), sampler.tokenizer, task.name)


def _how_it_was_asked(sampler: Any) -> dict[str, str]:
    """For the manifest: the chat template where it is not the model's own, the system turn of it that was left out, and
    the tag that it opens, which was put before each response.
    """
    from longcot.models.chat import left_out, thought_opening

    told, tokenizer = {"chat_template": sampler.spoken}, sampler.tokenizer
    if tokenizer is not None and tokenizer.chat_template:
        told |= {"thought_opened": thought_opening(tokenizer)}
        told |= {} if sampler.spoken == "the server's own" else {"system_turn_left_out": left_out(tokenizer)}
    return {name: value for name, value in told.items() if value}
