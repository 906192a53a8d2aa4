"""Models of a true shape with random weights, their linear layers in NF4, for `qlora.py`."""

import bitsandbytes as bnb
import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers import AutoHfQuantizer


def _shape(
    kind: str, layers: int, width: int, heads: int, keys: int, intermediate: int, vocabulary: int, **more
) -> dict:
    return dict(
        model_type=kind,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        intermediate_size=intermediate,
        vocab_size=vocabulary,
        **more,
    )


SHAPES = {
    "qwen2.5-32b": _shape("qwen2", 64, 5120, 40, 8, 27648, 152064),
    "qwen2.5-7b": _shape("qwen2", 28, 3584, 28, 4, 18944, 152064),
    "qwen2.5-1.5b": _shape("qwen2", 28, 1536, 12, 2, 8960, 151936, tie_word_embeddings=True),
    "qwen2.5-0.5b": _shape("qwen2", 24, 896, 14, 2, 4864, 151936, tie_word_embeddings=True),
    "smollm2-135m": _shape("llama", 30, 576, 9, 3, 1536, 49152, tie_word_embeddings=True),
    # Of layers that the lean recomputation does not know.
    "gemma3-1b": _shape("gemma3_text", 26, 1152, 4, 1, 6912, 262144, head_dim=256, tie_word_embeddings=True),
    "phi3-mini": _shape("phi3", 32, 3072, 32, 32, 8192, 32064),
    "pythia-1b": _shape("gpt_neox", 16, 2048, 8, 8, 8192, 50304),
    "granite-2b": _shape("granite", 40, 2048, 32, 8, 8192, 49152, logits_scaling=8.0, attention_multiplier=0.0156),
    "tiny": _shape("qwen2", 2, 256, 4, 2, 512, 1024),
}


def build(shape: str, device: str) -> PreTrainedModel:
    """The model with its linear layers in NF4, as transformers saves it, but with random weights.

    What it computes with beside its weights is not filled: save it and load it again.
    """
    ends = dict(pad_token_id=0, bos_token_id=0, eos_token_id=0)
    config = AutoConfig.for_model(
        **{"tie_word_embeddings": False} | SHAPES[shape] | ends, max_position_embeddings=131072, use_cache=False
    )
    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    head = next(name for name, module in model.named_modules() if module is model.get_output_embeddings())
    replace_with_bnb_linear(model, [head], how)
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
        for name, parameter in list(module.named_parameters(recurse=False)):
            value = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device)
            value.fill_(1.0) if parameter.ndim == 1 and name == "weight" else value.normal_(std=0.02)
            if isinstance(parameter, bnb.nn.Params4bit):
                new = bnb.nn.Params4bit(value, quant_type="nf4", compress_statistics=True, module=module).to(device)
            else:
                new = torch.nn.Parameter(value, requires_grad=False)
            setattr(module, name, new)
    model.tie_weights()
    config.quantization_config = how
    model.hf_quantizer = AutoHfQuantizer.from_config(how)
    model.is_loaded_in_4bit = model.is_quantized = True
    return model


def operations(model: PreTrainedModel, length: int) -> float:
    """What one training step on a trace of `length` tokens must compute; the formula is at the top of `qlora.py`."""
    config = model.config
    layers = sum(m.in_features * m.out_features for m in model.modules() if isinstance(m, bnb.nn.Linear4bit))
    head = config.hidden_size * config.vocab_size
    attention = 6 * config.num_hidden_layers * config.hidden_size * length**2
    return 2 * length * (2 * layers + 2 * head) + attention
