"""Decoder layers that keep nothing but their input for the backward pass, and that on the host.

The rest of a layer is computed again in its backward pass: the attention part as a whole, the MLP in tiles of tokens,
since its tensors are several times as wide. The 4-bit weights of a layer are dequantized once for each pass and used
for all tiles, for the recomputation and for the gradient. What is computed is what PEFT and transformers compute.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import bitsandbytes as bnb
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PretrainedConfig

from longcot.qlora.host_stash import HostStash

KNOWN = ("llama", "mistral", "qwen2", "qwen3")  # whose layers are: norm, attention, added; norm, MLP, added
TILE = 8192  # tokens of the MLP at once: enough for the matrix units, and 0.4 GB a tensor at a width of 27,648


def knows(config: PretrainedConfig) -> bool:
    """Whether the layers of a base of this configuration are of the Llama family's structure."""
    return config.model_type in KNOWN and not getattr(config, "attention_dropout", 0)


@contextmanager
def recomputing(model: PeftModel) -> Iterator[None]:
    """Train `model`, LoRA on a 4-bit base that `knows`, with little memory while this lasts."""
    stash, layers = HostStash(), model.get_base_model().get_decoder().layers
    for number, layer in enumerate(layers):
        layer.forward = partial(_forward, layer, _linears(layer), stash, number)
    try:
        yield
    finally:
        stash.clear()
        for layer in layers:
            del layer.forward


def _forward(layer: nn.Module, linears: list, stash: HostStash, number: int, hidden: Tensor, **how: Any) -> Tensor:
    if not (layer.training and torch.is_grad_enabled()):
        return type(layer).forward(layer, hidden, **how)
    if not hidden.requires_grad:  # the frozen embeddings'
        hidden = hidden.detach().requires_grad_()
    return _Layer.apply(hidden, layer, linears, stash, number, {**how, "past_key_values": None, "use_cache": False})


class _Layer(torch.autograd.Function):
    """One layer. Its parameters get their gradients inside `backward`, which runs the parts' own backward passes."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, layer: nn.Module, linears: list, stash: HostStash, number: int, how: dict):
        ctx.given = layer, linears, stash, number, how
        ctx.random = _random_state(hidden) if any(_dropout(module) for module in linears) else None
        stash.put(number, hidden)
        with _plain_weights(linears, hidden):
            out = hidden + _attention(layer, hidden, how)
            for rows in _tiles(out):
                rows += _mlp(layer, rows)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        layer, linears, stash, number, how = ctx.given
        hidden = stash.get(number).requires_grad_()
        grad = grad.clone()
        with _random_numbers(ctx.random, hidden), _plain_weights(linears, hidden):
            with torch.enable_grad():
                middle = hidden + _attention(layer, hidden, how)
            for rows, grad_rows in zip(_tiles(middle.detach()), _tiles(grad), strict=True):
                rows.requires_grad_()
                with torch.enable_grad():
                    out = _mlp(layer, rows)
                out.backward(grad_rows)
                grad_rows += rows.grad
            middle.backward(grad)
        return hidden.grad, None, None, None, None, None


def _tiles(tensor: Tensor) -> list[Tensor]:
    """Views of a tensor's rows (tokens), as few as possible and of nearly the same length of at most TILE."""
    rows = tensor.view(-1, tensor.shape[-1])
    count = -(-len(rows) // TILE)
    edges = [len(rows) * n // count for n in range(count + 1)]
    return [rows[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]


def _attention(layer: nn.Module, hidden: Tensor, how: dict[str, Any]) -> Tensor:
    return layer.self_attn(hidden_states=_norm(layer.input_layernorm, hidden), **how)[0]


def _mlp(layer: nn.Module, rows: Tensor) -> Tensor:
    return layer.mlp(_norm(layer.post_attention_layernorm, rows))


def _norm(norm: nn.Module, hidden: Tensor) -> Tensor:
    return F.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _linears(layer: nn.Module) -> list[nn.Module]:
    """The linear modules of a layer: PEFT's, and the 4-bit ones that no adapter is on."""
    adapted = [module for module in layer.modules() if isinstance(module, LoraLayer)]
    inner = {id(module.base_layer) for module in adapted}
    plain = [module for module in layer.modules() if isinstance(module, bnb.nn.Linear4bit) and id(module) not in inner]
    return adapted + plain


def _dropout(module: nn.Module) -> float:
    return max((getattr(drop, "p", 0.0) for drop in getattr(module, "lora_dropout", {}).values()), default=0.0)


@contextmanager
def _plain_weights(linears: list[nn.Module], like: Tensor) -> Iterator[None]:
    """While this lasts the modules compute with their dequantized weights, without autocast."""
    for module in linears:
        base = getattr(module, "base_layer", module)
        weight = bnb.functional.dequantize_4bit(base.weight.data, base.weight.quant_state).to(like.dtype)
        module.forward = partial(_linear, module, weight, None if base.bias is None else base.bias.to(like.dtype))
    try:
        with torch.autocast(like.device.type, enabled=False):
            yield
    finally:
        for module in linears:
            del module.forward


def _linear(module: nn.Module, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    if not isinstance(module, LoraLayer):
        return F.linear(x, weight, bias)
    (name,) = module.active_adapters
    a, b = module.lora_A[name].weight.to(x.dtype), module.lora_B[name].weight.to(x.dtype)
    if not _dropout(module):
        return _LoraLinear.apply(x, weight, bias, a, b, module.scaling[name])
    return F.linear(x, weight, bias) + F.linear(F.linear(module.lora_dropout[name](x), a), b) * module.scaling[name]


class _LoraLinear(torch.autograd.Function):
    """x Wᵀ + bias + scale (x Aᵀ) Bᵀ with W (out, in) frozen: the low-rank term is added by the product that makes it.

    PEFT's own order of operations passes nine times over an output as large as the MLP's; this passes over it twice.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float):
        rows = x.reshape(-1, x.shape[-1])
        low = rows @ a.t()
        out = F.linear(rows, weight, bias).addmm_(low, b.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, low)
        ctx.scale = scale
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        rows, weight, a, b, low = ctx.saved_tensors
        shape, grad = grad.shape, grad.reshape(-1, grad.shape[-1])
        low_grad = grad @ b
        grad_x = (grad @ weight).addmm_(low_grad, a, alpha=ctx.scale).view(*shape[:-1], -1)
        return grad_x, None, None, ctx.scale * (low_grad.t() @ rows), ctx.scale * (grad.t() @ low), None


def _random_state(like: Tensor) -> list[Tensor]:
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(like.device)] if like.is_cuda else [])


@contextmanager
def _random_numbers(state: list[Tensor] | None, like: Tensor) -> Iterator[None]:
    """Draw the random numbers of `state` again while this lasts, and afterwards go on where one was."""
    if state is None:
        yield
        return
    with torch.random.fork_rng([like.device] if like.is_cuda else []):
        torch.set_rng_state(state[0])
        if like.is_cuda:
            torch.cuda.set_rng_state(state[1], like.device)
        yield
