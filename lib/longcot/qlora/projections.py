"""The linear modules of a 4-bit layer with their adapters, forwards and backwards by hand.

Those that read the same input are taken together. The low-rank term is added by the product that makes it: PEFT's own
order of operations passes nine times over an output as large as the MLP's, this passes over it twice.
"""

from dataclasses import dataclass

import bitsandbytes as bnb
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F

Masks = list[Tensor | None] | None


class Projections:
    """Linear modules of one input: each makes x Wᵀ + bias + scale (dropout(x) Aᵀ) Bᵀ, W (out, in) in four bits, frozen.

    `kept` are their weights if these stay dequantized.
    """

    def __init__(self, modules: list[nn.Module]):
        self.bases = [getattr(module, "base_layer", module) for module in modules]
        self.adapters = [_adapter(module) if isinstance(module, LoraLayer) else None for module in modules]
        self.drops = any(adapter.drops for adapter in self.adapters if adapter)
        self.kept: list[Tensor] | None = None

    def weights(self, dtype: torch.dtype) -> list[Tensor]:
        """The dequantized weights."""
        if self.kept:
            return self.kept
        states = [(base.weight.data, base.weight.quant_state) for base in self.bases]
        return [bnb.functional.dequantize_4bit(data, state).to(dtype) for data, state in states]

    def ready(self, dtype: torch.dtype) -> "Ready":
        """The same, to compute with as the adapters are now."""
        return Ready(self, dtype)


@dataclass
class _Adapter:
    a: nn.Parameter  # (rank, in)
    b: nn.Parameter  # (out, rank)
    scale: float
    dropout: nn.Module
    drops: bool


def _adapter(module: LoraLayer) -> _Adapter:
    (name,) = module.active_adapters
    dropout = module.lora_dropout[name]
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    return _Adapter(a, b, module.scaling[name], dropout, bool(getattr(dropout, "p", 0.0)))


class Ready:
    """`Projections` with weights dequantized and adapters in the type that is computed in.

    `low` are the low-rank states of all of them side by side, (tokens, ranks), None where none has an adapter.
    """

    def __init__(self, given: Projections, dtype: torch.dtype):
        self.weights, self.drops = given.weights(dtype), given.drops
        self.biases = [None if base.bias is None else base.bias.to(dtype) for base in given.bases]
        self.adapters = given.adapters
        found = [adapter for adapter in given.adapters if adapter]
        self.a = torch.cat([adapter.a.detach() for adapter in found]).to(dtype) if found else None
        self.b = [adapter and adapter.b.detach().to(dtype) for adapter in given.adapters]
        self.places, start = [], 0  # the columns of `low` and rows of `a` that are each one's
        for adapter in given.adapters:
            stop = start + (len(adapter.a) if adapter else 0)
            self.places.append(slice(start, stop))
            start = stop

    def low(self, x: Tensor) -> tuple[Tensor | None, Masks]:
        """The low-rank states of x (tokens, in), and where adapters drop, what each multiplied its input with."""
        if self.a is None or not self.drops:
            return (None if self.a is None else x @ self.a.t()), None
        masks = [adapter and adapter.dropout(torch.ones_like(x)) for adapter in self.adapters]
        each = zip(masks, self.places, strict=True)
        return torch.cat([(x * mask) @ self.a[place].t() for mask, place in each if mask is not None], 1), masks

    def outputs(self, x: Tensor, low: Tensor | None) -> list[Tensor]:
        """What each module makes of x (tokens, in)."""
        made = []
        for weight, bias, adapter, b, place in zip(
            self.weights, self.biases, self.adapters, self.b, self.places, strict=True
        ):
            made.append(F.linear(x, weight, bias))
            if adapter:
                made[-1].addmm_(low[:, place], b.t(), alpha=adapter.scale)
        return made

    def backward(self, grads: list[Tensor], x: Tensor, low: Tensor | None, masks: Masks, wanted: bool = True):
        """The gradient of x, if it is `wanted`, of that of the outputs; adds the adapters' own to their parameters'."""
        grad_x, lows = None, []
        for grad, weight, adapter, b, place in zip(
            grads, self.weights, self.adapters, self.b, self.places, strict=True
        ):
            if wanted:
                grad_x = grad @ weight if grad_x is None else grad_x.addmm_(grad, weight)
            if adapter:
                lows.append((grad @ b).mul_(adapter.scale))
                _add(adapter.b, adapter.scale * (grad.t() @ low[:, place]))
        if not lows:
            return grad_x
        grad_low = lows[0] if len(lows) == 1 else torch.cat(lows, 1)
        if masks is None:
            grad_a = grad_low.t() @ x
            if wanted:
                grad_x.addmm_(grad_low, self.a)
        for number, (adapter, place) in enumerate(zip(self.adapters, self.places, strict=True)):
            if not adapter:
                continue
            if masks is None:
                _add(adapter.a, grad_a[place])
                continue
            _add(adapter.a, grad_low[:, place].t() @ (x * masks[number]))
            if wanted:
                grad_x += (grad_low[:, place] @ self.a[place]) * masks[number]
        return grad_x


def _add(parameter: nn.Parameter, grad: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = grad.to(parameter.dtype)
    else:
        parameter.grad += grad
