"""The commands that serve a study's models."""

from longcot.files.paths import display_path, model_name, model_source, resolve
from longcot.models.adapter import adapter_rank
from longcot.models.sampled_base import sampled_folder
from longcot.sampling.engines.command import Served
from longcot.study.study import Model, Study


def study_commands(study: Study) -> list[str]:
    """What `make plan` prints: for each base that a study has URLs for, the commands that serve it, one a URL."""
    groups: dict[tuple, list[str]] = {}
    for name, model in study.models.items():
        if model.server:
            groups.setdefault((model.path, model.revision, model.precision, *model.server.urls), []).append(name)
    return [text for names in groups.values() for text in _commands(study, names)]


def _commands(study: Study, names: list[str]) -> list[str]:
    """The commands for the models of these names, which share a base and URLs."""
    models: list[Model] = [study.models[name] for name in names]
    base, run_dir = models[0], resolve(study.run_dir)
    trained = [arm for arm in study.arms if arm.trained and arm.model in names]
    adapters = {name: resolve(model.adapter) for name, model in zip(names, models, strict=True) if model.adapter}
    ranks = [study.lora_of(arm).rank for arm in trained] + [adapter_rank(folder) for folder in adapters.values()]
    rank = max(ranks, default=0)
    adapters |= {arm.name: run_dir / own for arm in study.arms if arm.model in names and (own := study.adapter_of(arm))}
    path, revision, dtype, notes = model_source(base.path), base.revision, base.precision, []
    if base.precision == "nf4":
        folder = sampled_folder(base.base, run_dir)
        path, revision, dtype = str(folder), "", study.lora.compute_dtype
        if not folder.is_dir():
            notes.append(f"# the study's first run makes {display_path(folder)}, and then stops for want of a server")
    own = tuple(name for name, model in zip(names, models, strict=True) if not model.adapter)
    how = {"revision": revision, "dtype": dtype, "context": base.context, "adapters": adapters, "rank": rank}
    served = Served(path, own, trust_remote_code=base.trust_remote_code, **how)
    commands = [f"{served.command(url)}  # {url}" for url in base.server.urls]
    about = f"# {model_name(base.path)}, served as {', '.join([*own, *adapters])}"
    return ["\n".join([about, *notes, *commands])]
