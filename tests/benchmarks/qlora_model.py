"""Models of a true shape with random weights, their linear layers in NF4, for `qlora.py`."""

import bitsandbytes as bnb
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel, Qwen2Config
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers import AutoHfQuantizer

SHAPES = {
    "qwen2.5-32b": dict(
        num_hidden_layers=64,
        hidden_size=5120,
        num_attention_heads=40,
        num_key_value_heads=8,
        intermediate_size=27648,
        vocab_size=152064,
    ),
    "tiny": dict(
        num_hidden_layers=2,
        hidden_size=256,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=512,
        vocab_size=1024,
    ),
}


def build(shape: str, device: str) -> PreTrainedModel:
    """The model with its linear layers in NF4, as transformers loads it, but with random weights."""
    config = Qwen2Config(
        **SHAPES[shape],
        max_position_embeddings=131072 * 4,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=False,
        use_cache=False,
    )
    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    replace_with_bnb_linear(model, ["lm_head"], how)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config).to(device)
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
    config.quantization_config = how
    model.hf_quantizer = AutoHfQuantizer.from_config(how)
    model.is_loaded_in_4bit = model.is_quantized = True
    return model.eval()


def operations(model: PreTrainedModel, length: int) -> float:
    """What one training step on `length` tokens must compute; the formula stands at the top of `qlora.py`."""
    config = model.config
    layers = sum(m.in_features * m.out_features for m in model.modules() if isinstance(m, bnb.nn.Linear4bit))
    head = config.hidden_size * config.vocab_size
    attention = 8 * config.num_hidden_layers * config.hidden_size * length**2
    return 2 * length * (3 * layers + 2 * head) + attention
