"""Models, tokenizers and configurations from a directory or the Hub: safetensors only, and no code of theirs.

Weights in torch's older files (`pytorch_model.bin`) are pickles, which can run anything when they are read. Code that
comes with a model runs only where the study says `trust_remote_code: true` of that model.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longcot.files.errors import BadInput
from longcot.files.paths import model_name

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


def check_weights(folder: str | Path) -> None:
    """See that the weights in a directory are safetensors. Raises BadInput where they are pickles only."""
    folder = Path(folder)
    found = sorted(file.name for kind in PICKLES for file in folder.glob(kind))
    if found and not any(folder.glob("*.safetensors")):
        raise BadInput(
            f"{model_name(folder)}: its weights ({found[0]}) are pickles, which can run code, and are not read; take a "
            "copy as safetensors, or make one where any code may run (from_pretrained, then save_pretrained)"
        )


def load_model(path: str | Path, revision: str = "", trust_remote_code: bool = False, **how: Any) -> "PreTrainedModel":
    """The causal language model in a directory, or of a Hub id at a revision; `how` is transformers' own.

    Raises BadInput where none is, where its weights are not safetensors, and where it needs code of its own that is
    not trusted.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    check_weights(path)
    given = {"revision": revision or "main", "trust_remote_code": trust_remote_code, "use_safetensors": True}
    try:
        return AutoModelForCausalLM.from_pretrained(path, **given, **how)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unusable("model", path, error) from None


def load_pretrained_tokenizer(
    path: str | Path, revision: str = "", trust_remote_code: bool = False, **how: Any
) -> "PreTrainedTokenizerBase":
    """The tokenizer of a directory, or of a Hub id at a revision, as it is. Raises BadInput as `load_model` does."""
    from transformers import AutoTokenizer

    given = {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **given, **how)
        if not tokenizer("a", add_special_tokens=False)["input_ids"]:  # made of the configuration alone, without files
            raise OSError("no vocabulary with it")
        return tokenizer
    except (OSError, ValueError) as error:
        raise _unusable("tokenizer", path, error) from None


def load_config(
    path: str | Path, revision: str = "", trust_remote_code: bool = False, **how: Any
) -> "PretrainedConfig":
    """The configuration of a directory, or of a Hub id at a revision. Raises BadInput as `load_model` does."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(path, revision=revision or "main", trust_remote_code=trust_remote_code, **how)
    except (OSError, ValueError) as error:
        raise _unusable("configuration", path, error) from None


def empty_model(config: "PretrainedConfig") -> "PreTrainedModel":
    """A model of the configuration, not filled with weights. Of one whose code ran already, its own code runs."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(
        config, trust_remote_code=type(config).__module__.startswith("transformers_modules")
    )


def context_length(config: "PretrainedConfig") -> int | None:
    """The tokens that a model takes, of one that also sees its language model's; None where nothing limits them."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def own_stops(path: str | Path, revision: str = "", **how: Any) -> list[int]:
    """The tokens on which the generation config of a directory or of a Hub id at a revision stops; none without one."""
    from transformers import GenerationConfig

    try:
        return config_stops(GenerationConfig.from_pretrained(path, revision=revision or "main", **how))
    except OSError:
        return []


def config_stops(config: "GenerationConfig") -> list[int]:
    """The tokens on which a generation config stops: it may name one, several or none."""
    stops = config.eos_token_id
    return [] if stops is None else list(stops) if isinstance(stops, list) else [stops]


def _unusable(what: str, path: str | Path, error: Exception) -> BadInput:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    fix = "check the path or id"
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        reason = "it runs code of its own"
        fix = "read that code, then say trust_remote_code: true of this model in the study; or take another model"
    return BadInput(f"{model_name(path)}: cannot load this {what} ({reason}); {fix}")


Dtype = Literal["float32", "bfloat16", "float16"]
