"""Whether this machine computes less to the same bits, tried out: which kernel a product takes may go by its size."""

import functools

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PretrainedConfig, PreTrainedModel

TRIED = 64  # numbers of positions in use, evenly up to the whole cache
PROMPTS = 64  # tokens of prompts, read together, from which on the kernels of many rows are used
VECTOR = 16  # numbers that a processor takes at once, at most


def shown(used: int, length: int, block: int) -> int:
    """How many positions of a cache of `length` attention is given when so many are in use: whole blocks.

    And what `length` has beyond whole vectors, which kernels treat apart: an odd length rounds otherwise than an even.
    """
    return min(-(-used // block) * block + length % VECTOR, length)


def products_same(model: PreTrainedModel, batch: int, step: int) -> bool:
    """Whether a row of a batch comes out of the model's linear layers the same in each batch smaller by `step` rows."""
    return all(_product_same(*shape, batch, range(step, batch, step)) for shape in _shapes(model))


def prompts_same(model: PreTrainedModel, tokens: int) -> bool:
    """Whether a prompt comes out of the model the same with fewer others, together of so many `tokens`, beside it."""
    sizes = range(PROMPTS, 16 * PROMPTS, 3 * PROMPTS // 2 + 1)
    products = tokens >= PROMPTS and all(_product_same(*shape, 16 * PROMPTS, sizes) for shape in _shapes(model))
    return products and _attention_same(*_heads(model.config), model.dtype)


def _shapes(model: PreTrainedModel) -> set[tuple[int, int, bool, torch.dtype]]:
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    return {(*layer.weight.shape, layer.bias is not None, layer.weight.dtype) for layer in layers}


@functools.cache
def _product_same(width: int, depth: int, has_bias: bool, dtype: torch.dtype, batch: int, sizes: range) -> bool:
    draw = torch.Generator().manual_seed(1)  # of its own: a batch's seed is set already
    rows, weight = (torch.randn(size, depth, generator=draw).to(dtype) for size in (batch, width))
    bias = torch.randn(width, generator=draw).to(dtype) if has_bias else None
    whole = F.linear(rows[:, None], weight, bias)
    return all(torch.equal(F.linear(rows[:n, None], weight, bias), whole[:n]) for n in sizes)


@functools.cache
def _attention_same(queries: int, size: int, dtype: torch.dtype) -> bool:
    """Whether attention of a prompt's tokens is the same with fewer prompts, the mask being the prompts' own."""
    draw = torch.Generator().manual_seed(1)
    rows, length = 8, 2 * PROMPTS
    shapes = (queries, PROMPTS), (1, length), (1, length)
    query, keys, values = (torch.randn(rows, *shape, size, generator=draw).to(dtype) for shape in shapes)
    mask = torch.arange(length) <= torch.arange(PROMPTS)[:, None] + torch.zeros(rows, 1, 1, 1, dtype=int)
    whole = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
    part = F.scaled_dot_product_attention(query[:3], keys[:3], values[:3], attn_mask=mask[:3], enable_gqa=True)
    return torch.equal(part, whole[:3])


def attention_same_to(config: PretrainedConfig, dtype: torch.dtype, length: int, block: int) -> int:
    """The most positions in use of which attention over whole blocks of a cache gives the same as over all of it.

    `length` where it always does, 0 where it never does; what is not in use is masked.
    """
    return _attention_same_to(*_heads(config), dtype, length, block)


def _heads(config: PretrainedConfig) -> tuple[int, int]:
    """How many query heads share a key head, and the size of a head."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    groups = getattr(text, "num_key_value_heads", None) or heads
    return heads // groups, getattr(text, "head_dim", None) or text.hidden_size // heads


@functools.cache
def _attention_same_to(queries: int, size: int, dtype: torch.dtype, length: int, block: int) -> int:
    draw = torch.Generator().manual_seed(1)
    query, keys, values = (torch.randn(1, 2, n, size, generator=draw).to(dtype) for n in (queries, length, length))
    places = torch.arange(length)[None, None, None]

    def attended(used: int, end: int) -> torch.Tensor:
        part = keys[:, :, :end], values[:, :, :end]
        return F.scaled_dot_product_attention(query, *part, attn_mask=places[..., :end] < used)

    step, same = max(length // TRIED, 1), 0
    for used in range(step, length, step):
        if not torch.equal(attended(used, length), attended(used, shown(used, length, block))):
            return same
        same = used
    return length
