"""The 4-bit base: a model with its linear layers in NF4, and the plain model that computes the same."""

import math
from pathlib import Path

import bitsandbytes as bnb
import torch
from transformers import BitsAndBytesConfig, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from longcot.files.errors import BadInput
from longcot.files.paths import model_name
from longcot.files.writing import whole_folder
from longcot.models.chat import turn_generation_config
from longcot.models.device import device
from longcot.models.loading import Dtype, config_stops, load_model, load_pretrained_tokenizer

PLAIN = 0.1  # of the layers' weights: a router, a short convolution and a state's decay are less


def load_base_4bit(
    path: str | Path, compute_dtype: Dtype = "bfloat16", revision: str = "main", trust_remote_code: bool = False
) -> PreTrainedModel:
    """The model in `path` (a directory, or a Hub id at a revision) with its linear layers in NF4.

    The scales are quantized again (QLoRA, §3). On the GPU where there is one. Raises BadInput as
    `pretrained.load_model` does, and as `check_quantized`.
    """
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, compute_dtype),
    )
    how = {"dtype": getattr(torch, compute_dtype), "quantization_config": config, "device_map": {"": device()}}
    model = load_model(path, revision, trust_remote_code, **how)
    check_quantized(model, path)
    # The model's own may hide a top_k or a penalty; its stops are kept.
    model.generation_config = GenerationConfig(eos_token_id=config_stops(model.generation_config) or None)
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            # bitsandbytes 0.50.2 on a CPU with AVX512-BF16 repacks the weights in place at the first forward of
            # eval(); from then on that forward differs from the one of train() and a backward fails.
            module.support_avx512bf16_for_cpu = False
    return model


def check_quantized(model: PreTrainedModel, path: str | Path) -> None:
    """See that the layers of a 4-bit model are in four bits; of an empty one on the meta device, that they would be.

    bitsandbytes quantizes linear modules. Experts that are one tensor, as transformers has them, and linear modules of
    a class of their own, as Falcon's, stay as they are without a word. Raises BadInput where they are more than `PLAIN`
    of the weights.
    """
    planned = model.device.type == "meta"
    no_layers = (torch.nn.Embedding, torch.nn.modules.conv._ConvNd)
    quantized, plain = 0, {}
    for name, module in model.named_modules():
        if isinstance(module, bnb.nn.Linear4bit) or planned and type(module) in (torch.nn.Linear, Conv1D):
            quantized += math.prod(module.weight.quant_state.shape if not planned else module.weight.shape)
        elif not isinstance(module, no_layers) and module is not model.get_output_embeddings():
            own = module.named_parameters(name, recurse=False)
            plain |= {full: weights.numel() for full, weights in own if weights.ndim > 1}
    share = sum(plain.values()) / max(quantized + sum(plain.values()), 1)
    if share > PLAIN:
        raise BadInput(
            f"{model_name(path)}: {share:.0%} of its layers' weights cannot be had in four bits "
            f"({max(plain, key=plain.get)} and others); take a base whose layers are plain linear ones"
        )


def load_tokenizer(
    path: str | Path, revision: str = "main", trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, or of a Hub id at a revision; one that pads. Raises BadInput where none is."""
    tokenizer = load_pretrained_tokenizer(path, revision, trust_remote_code)
    if tokenizer.pad_token is None:  # as of Llama's; what is padded is masked
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def dequantized(
    path: str | Path, dtype: Dtype = "float32", revision: str = "main", trust_remote_code: bool = False
) -> PreTrainedModel:
    """The model in `path` as its 4-bit version computes it: quantized to NF4 once, and back to `dtype`; on the CPU."""
    quantized = load_base_4bit(path, dtype, revision, trust_remote_code)
    plain = load_model(path, revision, trust_remote_code, dtype=getattr(torch, dtype))
    for name, module in quantized.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            weight = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain.get_submodule(name).weight.data.copy_(weight)
    return plain


def save_dequantized(
    path: str | Path,
    out_dir: str | Path,
    dtype: Dtype = "float32",
    revision: str = "main",
    trust_remote_code: bool = False,
) -> Path:
    """Write the `dequantized` model in `path`, whole or not at all.

    One base, one precision: what is sampled is then the very base that adapters are trained on, and any engine loads
    it. The generation config stops on the turn's end, on the EOS and where the model's own does; it holds nothing else.
    """
    plain = dequantized(path, dtype, revision, trust_remote_code)
    tokenizer = load_pretrained_tokenizer(path, revision, trust_remote_code)
    plain.generation_config = turn_generation_config(tokenizer, config_stops(plain.generation_config))
    out_dir = Path(out_dir)
    with whole_folder(out_dir) as draft:
        plain.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    return out_dir
