"""Whether everything that a study starts from is there."""

from longcot.files.errors import BadInput
from longcot.files.paths import resolve
from longcot.models.adapter import check_base
from longcot.problems.prompts import TEMPLATES
from longcot.problems.sources import load_problems, local_path
from longcot.sampling.live import check_trackers
from longcot.study.published import check_published
from longcot.study.study import Study
from longcot.traces.importing import iter_imported


def _is_local(source: str) -> bool:
    """Whether a source is a file or folder of this machine; the others are looked for on the Hub."""
    return source.startswith((".", "/", "~/", "lib/", "runs/", "data:")) or local_path(source) is not None


def at_hand(source: str) -> bool:
    """Whether problems can be read without asking the Hub."""
    return _is_local(source) or source.startswith("miniature:")


def check_inputs(study: Study) -> None:
    """See that everything the study starts from is there: problems, model directories, files of traces and templates.

    A path with a slash that is no directory of the project may be a Hub id and is left to the Hub. Raises BadInput.
    """
    from longcot.problems.label_corrections import load_corrections

    check_trackers(study.log_to)
    check_published(study.published, [arm.name for arm in study.arms])
    sets = {}
    for kind, problems in (("train", study.problems.train), ("benchmark", study.problems.benchmark)):
        if problems and at_hand(problems.source):
            sets[kind] = load_problems(**problems.model_dump())
    if study.problems.label_corrections and "benchmark" in sets:
        load_corrections(study.problems.label_corrections, sets["benchmark"])
    for name, model in study.models.items():
        for kind, folder in (("path", model.path), ("adapter", model.adapter)):
            if folder and _is_local(folder) and not resolve(folder).is_dir():
                raise BadInput(f"{study.name}: models.{name}.{kind}: no directory {folder}; fix the path")
        if model.adapter and resolve(model.adapter).is_dir():
            check_base(resolve(model.adapter), model.path)
    for one in [*study.arms, *study.training_traces]:
        if one.imported and _is_local(one.imported.source):
            if not resolve(one.imported.source).exists():
                raise BadInput(f"{study.name}: {one.name}: no file {one.imported.source}; fix the path")
            next(iter_imported(**one.imported.model_dump()))  # what is wrong with its form shows in the first row
    for where, prompt in [("prompt", study.prompt), *((arm.name, study.prompt_of(arm)) for arm in study.arms)]:
        if prompt.template_file and not prompt.template_file.is_file():
            known = ", ".join(TEMPLATES)
            raise BadInput(
                f"{study.name}: {where}: chat_template: no file {prompt.chat_template}; use {known}, or a Jinja file"
            )
    for arm in study.arms:
        model = study.models.get(arm.model)
        if arm.trained and (model.server or model.engine) and study.lora_of(arm).beside_lora:
            raise BadInput(
                f"{study.name}: {arm.name}: vLLM serves no adapter with lora.modules_to_save or "
                f"trainable_token_indices; leave out models.{arm.model}.{'server' if model.server else 'engine'}, to "
                "sample it in process"
            )
