"""Whether the models that vLLM is to serve fit on the GPUs of this machine, said before anything is sampled."""

from longcot.files.manifest import status
from longcot.files.paths import resolve
from longcot.files.run_directory import benchmark_traces, training_traces
from longcot.models.loading import context_length
from longcot.models.sizes import cache_gb, gpus_needed, weights_gb
from longcot.run.gpus import pool
from longcot.run.training_fit import model_config
from longcot.study.study import Study


def engine_fit(study: Study) -> dict[str, tuple[bool, str]]:
    """For each model with an engine and something left to sample: whether it fits here, and what is to be said.

    Gigabytes are 10⁹ bytes. Without GPUs, and for GPUs whose memory is not known, only the need is said.
    """
    sizes, found = [card.total_gb for card in pool()], {}
    for name, arms in _to_serve(study).items():
        model, what = study.models[name], f"serving {name}"
        if (config := model_config(model)) is None:
            found[name] = True, f"{what}: its configuration is not at hand; notebook 01 will say whether it fits"
            continue
        dtype = study.lora.compute_dtype if model.precision == "nf4" else model.precision
        tokens = model.context or context_length(config) or study.sampling.max_tokens
        weights, cache = weights_gb(config, dtype), cache_gb(config, dtype, tokens)
        words = (
            f"{what}: {weights:.3g} GB of weights in {dtype} and {cache:.3g} GB for a full context of {tokens:,} tokens"
        )
        if not sizes or None in sizes:
            found[name] = True, words
            continue
        most = min(sizes)
        needed = model.engine.tensor_parallel or gpus_needed(config, weights, cache, model.engine.gpu_memory * most)
        fits = bool(needed) and needed <= len(sizes)
        words += f"; needs {needed or 'more'} GPUs of {most:.0f} GB, {len(sizes)} here"
        if not fits:
            words += (
                f": run it where there are more, serve it elsewhere (models.{name}.server), put a smaller model in "
            )
            words += f"its place (models.{name}.path), or leave out what it samples ({', '.join(arms)})"
        found[name] = fits, words
    return found


def _to_serve(study: Study) -> dict[str, list[str]]:
    """What is left to sample, by the model that an engine is to serve."""
    run_dir, found = resolve(study.run_dir), {}
    sampled = [(one.model, one.name, training_traces(one.name)) for one in study.training_traces if one.model]
    sampled += [(arm.model, arm.name, benchmark_traces(arm.name)) for arm in study.arms if arm.model]
    for model, name, traces in sampled:
        if study.models[model].engine and status(run_dir / traces) != "done":
            found.setdefault(model, []).append(name)
    return found
