"""The 4-bit base: a model with its linear layers in NF4, and the plain model that computes the same."""

from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from longcot.errors import BadInput
from longcot.files import model_name, whole_folder
from longcot.prompts import turn_end
from longcot.settings import Dtype


def load_base_4bit(path: str | Path, compute_dtype: Dtype = "bfloat16", revision: str = "main") -> PreTrainedModel:
    """The model in `path` (a directory, or a Hub id at a revision) with its linear layers in NF4.

    The scales are quantized again (QLoRA, §3). On the GPU where there is one. Raises BadInput where no model is.
    """
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, compute_dtype),
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    how = {"dtype": getattr(torch, compute_dtype), "quantization_config": config, "device_map": {"": device}}
    model = _load(path, revision=revision, **how)
    model.generation_config = GenerationConfig()  # the model's own may hide a top_k or a penalty
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            # bitsandbytes 0.50.2 on a CPU with AVX512-BF16 repacks the weights in place at the first forward of
            # eval(); from then on that forward differs from the one of train() and a backward fails.
            module.support_avx512bf16_for_cpu = False
    return model


def _load(path: str | Path, **how: Any) -> PreTrainedModel:
    try:
        return AutoModelForCausalLM.from_pretrained(path, **how)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{model_name(path)}: cannot load this model ({reason}); check the path or id") from None


def load_tokenizer(path: str | Path, revision: str = "main") -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, or of a Hub id at a revision; one that pads. Raises BadInput where none is."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{model_name(path)}: cannot load this tokenizer ({reason}); check the path or id") from None
    if tokenizer.pad_token is None:  # as of Llama's; what is padded is masked
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def dequantized(path: str | Path, dtype: Dtype = "float32", revision: str = "main") -> PreTrainedModel:
    """The model in `path` as its 4-bit version computes it: quantized to NF4 once, and back to `dtype`; on the CPU."""
    quantized = load_base_4bit(path, dtype, revision)
    plain = _load(path, dtype=getattr(torch, dtype), revision=revision)
    for name, module in quantized.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            weight = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain.get_submodule(name).weight.data.copy_(weight)
    return plain


def save_dequantized(path: str | Path, out_dir: str | Path, dtype: Dtype = "float32", revision: str = "main") -> Path:
    """Write the `dequantized` model in `path`, whole or not at all.

    One base, one precision: what is sampled is then the very base that adapters are trained on, and any engine loads
    it. The generation config stops on the turn's end and on the EOS, and holds nothing else.
    """
    plain, tokenizer = dequantized(path, dtype, revision), AutoTokenizer.from_pretrained(path, revision=revision)
    plain.generation_config = turn_generation_config(tokenizer)
    out_dir = Path(out_dir)
    with whole_folder(out_dir) as draft:
        plain.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    return out_dir


def turn_generation_config(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """A generation config that says when to stop, on the turn's end and on the EOS, and nothing else."""
    stops = {tokenizer.convert_tokens_to_ids(turn_end(tokenizer)), tokenizer.eos_token_id}
    return GenerationConfig(eos_token_id=sorted(stops), pad_token_id=tokenizer.pad_token_id)
