"""How much memory a model's weights take, and over how many GPUs it has to lie. Gigabytes are 10⁹ bytes."""

from typing import TYPE_CHECKING

from longcot.models.loading import empty_model

if TYPE_CHECKING:
    from transformers import PretrainedConfig

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
BESIDE = 1.1  # of the weights, and what a server needs beside them and its cache: activations, graphs


def weights_gb(config: "PretrainedConfig", dtype: str) -> float:
    """A model's weights in a type, counted on a model of its configuration that is not filled."""
    import torch

    with torch.device("meta"):
        network = empty_model(config)
    return sum(weights.numel() for weights in network.parameters()) * BYTES[dtype] / 1e9


def cache_gb(config: "PretrainedConfig", dtype: str, tokens: int) -> float:
    """The key-value cache of so many tokens: 2 x layers x key-value heads x head size x bytes a value."""
    return cache_numbers(config) * BYTES[dtype] * tokens / 1e9


def cache_numbers(config: "PretrainedConfig") -> int:
    """Keys and values of one token; 0 for a model without attention, whose state does not grow."""
    own = config.get_text_config()
    heads = getattr(own, "num_key_value_heads", None) or getattr(own, "num_attention_heads", 0)
    head = getattr(own, "head_dim", None) or (own.hidden_size // own.num_attention_heads if heads else 0)
    return 2 * own.num_hidden_layers * heads * head


def gpus_needed(config: "PretrainedConfig", weights: float, cache: float, gpu_gb: float) -> int | None:
    """The fewest GPUs, `gpu_gb` of each for use, that hold so many GB of weights and the cache of one response.

    A number that divides the attention heads, as vLLM's tensor parallelism wants it; None where even one GPU a head
    would not do.
    """
    need = BESIDE * weights + cache
    heads = getattr(config.get_text_config(), "num_attention_heads", 1)
    return next((count for count in range(1, heads + 1) if heads % count == 0 and need <= count * gpu_gb), None)
