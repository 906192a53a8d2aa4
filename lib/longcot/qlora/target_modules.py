"""Which modules of a base get an adapter, looked at before anything is loaded."""

import difflib
import math
import re
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from longcot.files.errors import BadInput
from longcot.models.loading import empty_model
from longcot.qlora.beside_lora import beside_lora
from longcot.qlora.settings import LoraSettings, Share

_PLACE = re.compile(r".*?\.\d+\.(?P<end>.+)")  # of a module in a layer, as PEFT reads its number
_PARTS = {"attention": re.compile(r"(?i).*att(n|ention)"), "mlp": re.compile(r"(?i).*(mlp|feed_forward|ffn)")}


def lora_config(
    model: PreTrainedModel, lora: LoraSettings, tokenizer: PreTrainedTokenizerBase | None = None
) -> LoraConfig:
    """PEFT's configuration of an adapter on this base; of one that also sees or hears, on its language model alone."""
    decoder = next(name for name, module in model.named_modules() if module is model.get_decoder())
    nested = model.config.get_text_config() is not model.config
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora),
        layers_to_transform=None if lora.layers is None else layer_numbers(model.config, lora.layers),
        exclude_modules=rf"(?!{decoder}\.).*" if nested and decoder else None,
        task_type="CAUSAL_LM",
        **beside_lora(model, lora, tokenizer),
    )


def _targets(model: PreTrainedModel, lora: LoraSettings) -> str | list[str]:
    """PEFT's target modules: as given, or the ends of names of attention, of the MLP or of all linear modules.

    PEFT takes layers with a list of names alone. Raises BadInput for a base that has no such modules.
    """
    wanted = lora.target_modules
    if isinstance(wanted, list) or (wanted not in _PARTS and lora.layers is None):
        return wanted
    decoder = model.get_decoder()
    linear = [name for name, module in decoder.named_modules(prefix="base") if isinstance(module, torch.nn.Linear)]
    ends = dict.fromkeys(found["end"] for name in linear if (found := _PLACE.match(name)))
    known = _PARTS.get(wanted, re.compile(""))
    if not (named := [end for end in ends if known.match(end.partition(".")[0])]):
        raise BadInput(f"lora.target_modules: the base has no {wanted} of that name; it has {', '.join(ends)}")
    return named


def layer_numbers(config: PretrainedConfig, layers: list[int] | Share) -> list[int]:
    """The numbers of a base's layers, from 0. Raises BadInput for one that is not there."""
    count = config.get_text_config().num_hidden_layers
    if isinstance(layers, Share):
        some = math.ceil(count * (layers.first or layers.last))
        return list(range(some) if layers.first else range(count - some, count))
    if beyond := [number for number in layers if number >= count]:
        raise BadInput(f"lora.layers: the base has layers 0 to {count - 1}, and no layer {beyond[0]}")
    return sorted(set(layers))


def check_modules(config: PretrainedConfig, lora: LoraSettings) -> None:
    """See that a base of this configuration has every module that is named, and that PEFT can put an adapter on it.

    Of `lora`, `target_modules`, `layers` and `modules_to_save`. Nothing is loaded. Raises BadInput with the names and
    layers there are.
    """
    with torch.device("meta"):
        model = empty_model(config)
        check_names(model, lora.target_modules)
        adapt(model, lora)


def check_names(model: PreTrainedModel, target_modules: str | list[str]) -> None:
    """See that each name of a list is that of a module. PEFT is content when one of them is."""
    names = {name for name, module in model.named_modules() if name and not list(module.children())}
    ends = sorted({name.rsplit(".", 1)[-1] for name in names})
    for wanted in target_modules if isinstance(target_modules, list) else []:
        if not any(name == wanted or name.endswith(f".{wanted}") for name in names):
            close = difflib.get_close_matches(wanted, ends, 1) or [", ".join(ends)]
            raise BadInput(f"lora.target_modules: the base has no module {wanted!r}; it has {close[0]}")


def adapt(model: PreTrainedModel, lora: LoraSettings, tokenizer: PreTrainedTokenizerBase | None = None) -> PeftModel:
    """`get_peft_model` of the base, without single tokens where there is no tokenizer to number them.

    Raises BadInput where PEFT refuses the target modules, and as `beside_lora`.
    """
    with warnings.catch_warnings():
        # PEFT 0.21 reads what transformers 5.17 has renamed.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        return _adapt(model, lora, tokenizer)


def _adapt(model: PreTrainedModel, lora: LoraSettings, tokenizer: PreTrainedTokenizerBase | None) -> PeftModel:
    config = lora_config(model, lora, tokenizer)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise BadInput(
            f"lora.target_modules {lora.target_modules!r}: {error}; name linear layers of the base"
        ) from None
