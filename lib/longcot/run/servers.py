"""The commands that serve a study's models."""

from longcot.files.paths import model_name, model_source, resolve, shown
from longcot.models.adapter import adapter_rank
from longcot.sampling.engines.command import serve_command
from longcot.study.study import Model, Study


def study_commands(study: "Study") -> list[str]:
    """What `make plan` prints: for each base that a study has URLs for, the commands that serve it, one a URL."""
    groups: dict[tuple, list[str]] = {}
    for name, model in study.models.items():
        if model.server:
            groups.setdefault((model.path, model.revision, model.precision, *model.server.urls), []).append(name)
    return [text for names in groups.values() for text in _commands(study, names)]


def _commands(study: "Study", names: list[str]) -> list[str]:
    """The commands for the models of these names, which share a base and URLs."""
    from longcot.models.sampled_base import sampled_folder

    models: list[Model] = [study.models[name] for name in names]
    base, run_dir = models[0], resolve(study.run_dir)
    trained = [arm.name for arm in study.arms if arm.trained and arm.model in names]
    adapters = {name: resolve(model.adapter) for name, model in zip(names, models, strict=True) if model.adapter}
    rank = max([study.lora.rank if trained else 0, *(adapter_rank(folder) for folder in adapters.values())])
    adapters |= {name: run_dir / "adapters" / name for name in trained}
    path, revision, dtype, notes = model_source(base.path), base.revision, base.precision, []
    if base.precision == "nf4":
        folder = sampled_folder(base.path, base.revision, run_dir)
        path, revision, dtype = str(folder), "", study.lora.compute_dtype
        if not folder.is_dir():
            notes.append(f"# the study's first run makes {shown(folder)}, and then stops for want of a server")
    served_as = [name for name, model in zip(names, models, strict=True) if not model.adapter]
    how = {"revision": revision, "dtype": dtype, "context": base.context, "adapters": adapters, "rank": rank}
    how |= {"trust_remote_code": base.trust_remote_code}
    commands = [f"{serve_command(path, served_as, **how, url=url)}  # {url}" for url in base.server.urls]
    about = f"# {model_name(base.path)}, served as {', '.join([*served_as, *adapters])}"
    return ["\n".join([about, *notes, *commands])]
