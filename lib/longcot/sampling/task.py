"""Sampling an arm into its file of graded traces."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longcot.files.manifest import Making
from longcot.files.paths import model_name, resolve
from longcot.files.rows import json_rows
from longcot.models.adapter import check_base
from longcot.models.sampled_base import sampled_base
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages, style_version
from longcot.sampling.settings import Sampling, Server
from longcot.traces.trace import row_count


@functools.lru_cache(maxsize=1)
def _local_sampler(path: str, dtype: str, threads: int, **how: Any) -> Any:
    from longcot.sampling.local import LocalSampler

    return LocalSampler(path, dtype=dtype, threads=threads, **how)


def _sampler(arm: dict[str, Any], base: str, dtype: str, threads: int) -> Any:
    """What samples an arm: its server, or this process. A nf4 base lies in a directory, which has no revision."""
    how = {"revision": "" if Path(base).is_dir() else arm.get("revision", ""), "context": arm.get("context")}
    how |= {"trust_remote_code": arm.get("trust_remote_code", False)}
    adapter = resolve(arm["adapter"]) if arm.get("adapter") else None
    if arm.get("server"):
        from longcot.sampling.server.sampler import ServerSampler

        where, name = Server(**arm["server"]), arm["served_as"]
        return ServerSampler(where, name, base, dtype, adapter=adapter, **how)
    sampler = _local_sampler(base, dtype, threads, **how)
    sampler.use_adapter(adapter)
    return sampler


def sample_arm(
    arm: dict[str, Any],
    problems: Sequence[Problem],
    sampling: dict[str, Any],
    prompt: dict[str, Any],
    run_dir: Path,
    dtype: str = "float32",
    threads: int = 1,
) -> Path:
    """Sample an arm on problems into its file of traces, graded; returns the file.

    `arm` holds `name, path, precision, adapter, traces`, and may hold `revision` (of a Hub id), `trust_remote_code`,
    `context` (tokens), `style` (of the prompt), `samples` and `temperature` (instead of the study's), `examples` (a
    training set whose problems and traces stand in the prompt), `edits` (passes over the arm's own traces), and
    `server` with `served_as`, its name there. Where it is served and how hard the server is pressed do not make a
    finished file another one. Raises BadInput for an adapter of another base.
    """
    from longcot.sampling.generate import generate_traces

    out = run_dir / arm["traces"]
    which = {key: arm[key] for key in ("revision", "trust_remote_code") if key in arm}
    base, base_dtype = sampled_base(arm["path"], arm["precision"], dtype, run_dir, **which)
    own = {key: arm[key] for key in ("samples", "temperature") if arm.get(key) is not None}
    settings = Sampling(**sampling | own)
    adapter = resolve(arm["adapter"]) if arm.get("adapter") else None
    shown_set = run_dir / arm["examples"] if arm.get("examples") else None
    if adapter:
        check_base(adapter, arm["path"])
    inputs = [path for path in (Path(base) if Path(base).is_dir() else None, adapter, shown_set) if path]
    style = "few_shot" if shown_set else arm.get("style", "zero_shot")
    edits, server = arm.get("edits", []), arm.get("server")
    recipe = {
        "arm": {key: value for key, value in arm.items() if key not in ("server", "served_as")}
        | {"path": model_name(arm["path"])},
        "dtype": base_dtype,
        "sampling": settings.model_dump(exclude={"batch_size"} if server else None),
        "prompt": prompt,
        "prompt_versions": [style_version(name) for name in (style, *edits)],
        "problems": [problem.model_dump() for problem in problems],
        **({"api": server["api"]} if server else {"threads": threads}),
    }
    making = Making(out, recipe, inputs)
    if making.done:
        return out
    rows = json_rows(shown_set) if shown_set else ()
    examples = [(row["problem"], row["messages"][-1]["content"]) for _, row in rows]
    sampler = _sampler(arm, base, base_dtype, threads)
    generate_traces(
        sampler,
        problems,
        out,
        settings,
        model=model_name(arm["path"]),
        adapter=arm.get("adapter", ""),
        prompt_style=style,
        examples=examples,
        edits=edits,
        **prompt,
    )
    first = build_messages(style, problems[0], examples=examples, **prompt)
    making.finish(traces=row_count(out), first_prompt=sampler.prompt_text(first))
    return out
