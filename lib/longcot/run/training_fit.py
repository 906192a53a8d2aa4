"""Whether what a study will train on fits this machine, said before the hours of sampling that come first."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from longcot.files.errors import BadInput
from longcot.files.manifest import status
from longcot.files.paths import model_source, resolve
from longcot.files.run_directory import adapter
from longcot.models.cards import cards
from longcot.models.loading import context_length, load_config
from longcot.qlora.settings import LoraSettings
from longcot.study.study import Model, Study

if TYPE_CHECKING:
    from transformers import PretrainedConfig

SMALL_FILES = 1.5e9  # bytes of a directory: no model too large for a CPU takes less, even in 4 bits


@functools.cache
def hub_answers() -> bool:
    """Whether the Hub can be reached: asked once, since its own client tries for half a minute, file by file."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception:  # of whatever the session is made of
        return False
    return not constants.HF_HUB_OFFLINE


def model_config(model: Model) -> "PretrainedConfig | None":
    """A model's configuration; None where it is not at hand."""
    source, here = model_source(model.path), resolve(model.path).is_dir() or not hub_answers()
    try:
        return load_config(source, model.revision, model.trust_remote_code, local_files_only=here)
    except BadInput:
        return None


def longest_expected(study: Study, lora: LoraSettings, config: "PretrainedConfig") -> int:
    """The longest trace in tokens that may come to training: what the limits of sampling and of training leave."""
    sampled = study.sampling and all(one.model for one in study.training_traces)
    limits = lora.max_length, context_length(config), study.sampling.max_tokens if sampled else None
    return min(filter(None, limits))


def training_fit(study: Study) -> dict[str, tuple[bool, str]]:
    """For each model that an arm has yet to be trained on: whether that can be done here, and what is to be said."""
    found = {}
    for name, settings in _to_train(study).items():
        what, config = f"training on {name}", model_config(study.models[name])
        if config is None:
            found[name] = True, f"{what}: its configuration is not at hand; notebook 03 will say whether it fits"
            continue
        try:
            found[name] = True, f"{what}: {_words(study, settings, config, what)}"
        except BadInput as error:
            found[name] = False, str(error)
    return found


def check_named_modules(study: Study) -> None:
    """See that the modules which arms name are their base's. Raises BadInput with the arm, and the names there are.

    Modules and layers. Only where an arm names some, since looking takes torch and seconds; a base that is not at hand
    is passed over.
    """
    named = {}  # one arm of those with the same settings
    for arm in study.arms:
        lora = study.lora_of(arm)
        everywhere = lora.target_modules == "all-linear" and lora.layers is None and not lora.modules_to_save
        if arm.trained and not everywhere:
            named.setdefault((arm.model, lora), arm)
    for (_, lora), arm in named.items():
        from longcot.qlora.target_modules import check_modules

        if config := model_config(study.models[arm.model]):
            try:
                check_modules(config, lora)
            except BadInput as error:
                raise BadInput(f"{study.name}: arm {arm.name}: {error}") from None


def training_warnings(study: Study) -> list[str]:
    """What cannot be trained here, one line a model. Small models are not looked at, since that takes seconds."""
    slow = slow_on_cpu(study)
    if not any(_may_be_large(study.models[name]) for name in _to_train(study)):
        return slow
    return slow + [words for fits, words in training_fit(study).values() if not fits]


def slow_on_cpu(study: Study) -> list[str]:
    """What is to be said of training in 16 bits without a GPU. The type is left as it is: results hang on it."""
    small = any(not _may_be_large(study.models[name]) for name in _to_train(study))
    if study.lora.compute_dtype == "float32" or not small or cards():
        return []
    return [
        f"lora.compute_dtype is {study.lora.compute_dtype}, and there is no NVIDIA GPU here: most CPUs train many "
        "times slower in 16 bits than in 32 (0.18 against 2.7 steps/s, measured); compute_dtype: float32 avoids that"
    ]


def _to_train(study: Study) -> dict[str, list[LoraSettings]]:
    """The models that an arm has yet to be trained on, with all settings of their arms."""
    run_dir, found = resolve(study.run_dir), {}
    for arm in study.arms:
        if arm.trained and status(run_dir / adapter(arm.name)) != "done":
            found.setdefault(arm.model, []).append(study.lora_of(arm))
    return found


def _may_be_large(model: Model) -> bool:
    folder = resolve(model.path)
    return not folder.is_dir() or sum(file.stat().st_size for file in folder.iterdir()) > SMALL_FILES


def _words(study: Study, settings: Sequence[LoraSettings], config: "PretrainedConfig", what: str) -> str:
    """What the arm that takes most memory takes."""
    from longcot.qlora.memory import check_training

    rows = [check_training(config, lora, longest_expected(study, lora, config), what) for lora in set(settings)]
    row = max(rows, key=lambda row: row["gpu_gb"])
    if row["gpu_spare_gb"] is None:
        return "no GPU here, and the base is small enough for the CPU"
    words = f"a trace of {row['longest']:,} tokens, the longest that may come, takes {row['gpu_gb']:.3g} GB of the GPU"
    words = f"{words}, leaves {row['gpu_spare_gb']:.3g} GB of it free, and takes {row['host_gb']:.3g} GB of the host"
    return f"{words}; {row['kept']}"
