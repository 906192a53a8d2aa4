"""What is done to an arm, one file each: traces imported or sampled, a training set chosen, an adapter trained.

Every file stands alone and is finished by its manifest, so that a run that is killed goes on at the arm, and within
it at the trace. A base model is loaded once for all arms that share it.
"""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from longcot.curation import Filtered, filter_file, row_fates, training_rows, write_training_set
from longcot.curation.choice import Choice, pick_traces
from longcot.curation.data_sheet import write_data_sheet
from longcot.curation.pool import Pool
from longcot.errors import BadInput
from longcot.files import json_rows, locked, model_name, model_source, resolve, shown
from longcot.manifest import Making
from longcot.problems import Problem
from longcot.prompts import build_messages, style_version
from longcot.qlora.adapter import check_base
from longcot.settings import LoraSettings, Sampling, Server
from longcot.traces import import_traces, trace_counts, write_traces


def sampled_folder(path: str, revision: str, run_dir: Path) -> Path:
    """The directory of a model as its NF4 version computes it, whether it was made yet or not."""
    name = model_name(path) + (f"@{revision}" if revision else "")
    return run_dir / "models" / (name.replace("/", "--") + "-nf4")


def sampled_base(
    path: str, precision: str, dtype: str, run_dir: Path, revision: str = "", trust_remote_code: bool = False
) -> tuple[str, str]:
    """(directory or Hub id, dtype) of what is sampled for a model at a precision.

    One base, one precision: for `nf4` it is the base as its 4-bit version computes it, made once in
    `run_dir`/models/ in `dtype` (the compute type of training). Other precisions are the dtype itself.
    """
    if precision != "nf4":
        return model_source(path), precision
    name, source = model_name(path), model_source(path)
    folder = sampled_folder(path, revision, run_dir)
    inputs = [source] if Path(source).is_dir() else []
    recipe = {"model": name, "precision": precision, "dtype": dtype} | ({"revision": revision} if revision else {})
    with locked(folder):
        making = Making(folder, recipe, inputs)
        if not making.done:
            from longcot.qlora.nf4 import save_dequantized  # seconds, which a base that is there does not need

            save_dequantized(source, folder, dtype, revision or "main", trust_remote_code)
            making.finish()
    return str(folder), dtype


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
        from longcot.sampling.server import ServerSampler

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
    from longcot.sampling import generate_traces

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
    making.finish(**trace_counts(out), first_prompt=sampler.prompt_text(first))
    return out


def import_arm(arm: dict[str, Any], run_dir: Path) -> Path:
    """Take traces that somebody else made, graded; returns our file of them.

    `arm` holds `name, traces`, and as in the study `source, keys, where` (column: value of the rows to take), `split`
    and `revision`.
    """
    from longcot.grading import grade

    out = run_dir / arm["traces"]
    given = {key: arm[key] for key in ("source", "keys", "where", "split", "revision")}
    making = Making(out, arm, [resolve(arm["source"])] if resolve(arm["source"]).is_file() else [])
    if not making.done:
        write_traces(out, grade(import_traces(**given)))
        making.finish(**trace_counts(out))
    return out


def curate_arms(
    arms: Sequence[dict[str, Any]], pool: Pool, prompt: dict[str, Any], difficulty_traces: str, run_dir: Path
) -> list[tuple[dict[str, Any], Filtered]]:
    """Choose each arm's traces and write its training set with a data sheet; see `curate_arm` for what is given back.

    Arms of the same traces, stage and filters that follow each other are filtered once.
    """
    made: list[tuple[dict[str, Any], Filtered]] = []
    for place, arm in enumerate(arms):
        same = place and all(arm[key] == arms[place - 1][key] for key in ("traces", "stage", "filters"))
        made.append(curate_arm(arm, pool, prompt, difficulty_traces, run_dir, made[-1][1] if same else None))
    return made


def curate_arm(
    arm: dict[str, Any],
    pool: Pool,
    prompt: dict[str, Any],
    difficulty_traces: str,
    run_dir: Path,
    filtered: Filtered | None = None,
) -> tuple[dict[str, Any], Filtered]:
    """Choose an arm's traces and write its training set; returns a row of counts, and what the filters did.

    `arm` holds `name, traces, training_set, teacher, stage, filters` and the fields of `choice.Choice`. The manifest
    has every row's fate, the data sheet lies beside it. `filtered` is what the same filters did to the same traces, if
    that is known. Raises BadInput, naming the arm, for a stage that the traces have not, and as filters and choice do.
    """
    out, source = run_dir / arm["training_set"], run_dir / arm["traces"]
    difficulty = run_dir / difficulty_traces if difficulty_traces else None
    recipe = {"arm": {key: value for key, value in arm.items() if key != "condition"}, "prompt": prompt}
    if "decontaminated" in str(arm["filters"]):
        recipe["benchmark"] = [problem.problem for problem in pool.benchmark]
    making = Making(out, recipe, [source, *filter(None, [difficulty])])
    filtered = filtered or filter_file(source, arm["stage"], arm["filters"], pool, arm["name"])
    if not making.done:
        choice = Choice(**{field: arm[field] for field in Choice.model_fields if field in arm})
        chosen = pick_traces(filtered.kept, choice, pool, arm["name"])
        write_training_set(out, training_rows(chosen, dict(pool.problems), dict(pool.pass_rates), **prompt))
        making.finish(removed=filtered.removed, rows=row_fates(filtered, chosen))
    write_data_sheet(out)
    counts = {"arm": arm["name"], "teacher": arm["teacher"], "stage": arm["stage"], "traces": len(filtered.given)}
    counts |= {f"not {name}": count for name, count in filtered.removed.items()}
    return counts | {"left": len(filtered.kept), "n": arm["n"]}, filtered


@functools.lru_cache(maxsize=1)
def base_4bit(path: str, revision: str, compute_dtype: str, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """(4-bit model, tokenizer) of a directory or of a Hub id at a revision; the last one is kept."""
    from longcot.qlora.nf4 import load_base_4bit, load_tokenizer

    which = {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    return load_base_4bit(path, compute_dtype, **which), load_tokenizer(path, **which)


def train_arm(
    arm: dict[str, Any],
    lora: dict[str, Any],
    run_dir: Path,
    threads: int = 1,
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train an arm's adapter on its training set, 4-bit base; returns what `training.json` beside the adapter holds.

    `arm` holds `name, path, precision, training_set, adapter`, and may hold `revision` (of a Hub id) and
    `trust_remote_code`. `on_step` is `train_adapter`'s. Raises BadInput for a precision other than nf4.
    """
    import torch

    from longcot.qlora.training import train_adapter

    if arm["precision"] != "nf4":
        raise BadInput(f"arm {arm['name']}: QLoRA trains on an nf4 base; set its model's precision to nf4")
    torch.set_num_threads(threads)
    out, rows, settings = run_dir / arm["adapter"], run_dir / arm["training_set"], LoraSettings(**lora)
    base = model_source(arm["path"])
    recipe = {"arm": arm | {"path": model_name(arm["path"])}, "lora": settings.model_dump(), "threads": threads}
    with locked(out):  # two trainings would write over each other's checkpoints
        making = Making(out, recipe, [rows, *([base] if Path(base).is_dir() else [])])
        if not making.done:
            which = arm.get("revision", ""), settings.compute_dtype, arm.get("trust_remote_code", False)
            model, tokenizer = base_4bit(base, *which)
            train_adapter(model, tokenizer, rows, out, settings, on_step)
            making.finish(precision=f"nf4 (double quantization), computed in {settings.compute_dtype}")
    return {"arm": arm["name"], "file": shown(out)} | json.loads((out / "training.json").read_text())
