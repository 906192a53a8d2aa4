"""The linear modules of a 4-bit layer with their adapters, forwards and backwards by hand.

Those that read the same input are taken together. The low-rank term is added by the product that makes it: PEFT's own
order of operations passes nine times over an output as large as the MLP's, this passes over it twice. Many small
operations are what a small model waits for, so the adapters' matrices are cast once a pass, and their gradients lie in
one piece.
"""

from dataclasses import dataclass

import bitsandbytes as bnb
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F

Masks = list[Tensor | None] | None


@dataclass
class _Adapter:
    a: nn.Parameter  # (rank, in)
    b: nn.Parameter  # (out, rank)
    scale: float
    dropout: nn.Module


class Projections:
    """Linear modules of one input x: each makes x Wᵀ + bias + scale (dropout(x) Aᵀ) Bᵀ, W (out, in) in 4 bits, frozen.

    They compute in `dtype`. `kept` are their weights if these stay dequantized. `low` are always the low-rank states of
    all of them side by side, (tokens, ranks), None where none has an adapter; `masks` what each multiplied its input
    with where adapters drop.
    """

    def __init__(self, modules: list[nn.Module], dtype: torch.dtype):
        self.bases = [getattr(module, "base_layer", module) for module in modules]
        self.adapters = [_adapter(module) if isinstance(module, LoraLayer) else None for module in modules]
        found = [adapter for adapter in self.adapters if adapter]
        self.drops = any(getattr(adapter.dropout, "p", 0.0) for adapter in found)
        self.dtype, self.kept = dtype, None
        self.biases = [None if base.bias is None else base.bias.to(dtype) for base in self.bases]
        self.places, self.rank = [], 0  # the columns of `low` and rows of `a` that are each one's
        for adapter in self.adapters:
            start, self.rank = self.rank, self.rank + (len(adapter.a) if adapter else 0)
            self.places.append(slice(start, self.rank))
        self.a = found[0].a.new_empty((self.rank, found[0].a.shape[1]), dtype=dtype) if found else None
        self.b = [
            adapter and torch.empty_like(adapter.b, dtype=dtype, requires_grad=False) for adapter in self.adapters
        ]
        self.grad: Tensor | None = None  # of `a`, then of each `b`, in one piece

    def casts(self) -> list[tuple[nn.Parameter, Tensor, float]]:
        """The adapters' matrices, where they are to be cast to, and times what."""
        made = []
        for adapter, b, place in zip(self.adapters, self.b, self.places, strict=True):
            if adapter:
                made += [(adapter.a, self.a[place], 1.0), (adapter.b, b, adapter.scale)]
        return made

    def weights(self) -> list[Tensor]:
        """The dequantized weights."""
        if self.kept:
            return self.kept
        states = [(base.weight.data, base.weight.quant_state) for base in self.bases]
        return [bnb.functional.dequantize_4bit(data, state).to(self.dtype) for data, state in states]

    def masks(self, x: Tensor) -> Masks:
        """Draws them for an input like x."""
        return [adapter and adapter.dropout(torch.ones_like(x)) for adapter in self.adapters] if self.drops else None

    def low(self, x: Tensor, masks: Masks) -> Tensor | None:
        if self.a is None or masks is None:
            return None if self.a is None else x @ self.a.t()
        each = zip(masks, self.places, strict=True)
        return torch.cat([(x * mask) @ self.a[place].t() for mask, place in each if mask is not None], 1)

    def outputs(self, weights: list[Tensor], x: Tensor, low: Tensor | None) -> list[Tensor]:
        """What each module makes of x (tokens, in)."""
        made = [F.linear(x, weight, bias) for weight, bias in zip(weights, self.biases, strict=True)]
        for out, b, place in zip(made, self.b, self.places, strict=True):
            if b is not None:
                out.addmm_(low[:, place], b.t())
        return made

    def back(self, weights: list[Tensor], grads: list[Tensor], masks: Masks, wanted: bool = True):
        """The gradients of x, None unless it is `wanted`, and of `low`, of those of the outputs."""
        grad_x, grad_low = None, None if self.a is None else grads[0].new_empty((len(grads[0]), self.rank))
        for grad, weight, b, place in zip(grads, weights, self.b, self.places, strict=True):
            if wanted:
                grad_x = grad @ weight if grad_x is None else grad_x.addmm_(grad, weight)
            if b is not None:
                torch.mm(grad, b, out=grad_low[:, place])
        if wanted and self.a is not None and masks is None:
            grad_x.addmm_(grad_low, self.a)
        elif wanted and masks is not None:
            for mask, place in zip(masks, self.places, strict=True):
                if mask is not None:
                    grad_x += (grad_low[:, place] @ self.a[place]) * mask
        return grad_x, grad_low

    def learn(self, grads: list[Tensor], grad_low: Tensor | None, x: Tensor, low: Tensor | None, masks: Masks) -> None:
        """Add the gradients of the adapters' matrices to their parameters'."""
        if self.a is None:
            return
        flat = x.new_empty(self.a.numel() + sum(b.numel() for b in self.b if b is not None))
        of_a, *of_b = self._views(flat)
        if masks is None:
            torch.mm(grad_low.t(), x, out=of_a)
        for number, (grad, adapter, place) in enumerate(zip(grads, self.adapters, self.places, strict=True)):
            if adapter:
                out = of_b[number]
                torch.addmm(out, grad.t(), low[:, place], beta=0, alpha=adapter.scale, out=out)
                if masks is not None:
                    torch.mm(grad_low[:, place].t(), x * masks[number], out=of_a[place])
        if self.grad is not None and next(adapter for adapter in self.adapters if adapter).a.grad is not None:
            self.grad += flat
            return
        self.grad = flat.float()
        of_a, *of_b = self._views(self.grad)
        for adapter, grad_b, place in zip(self.adapters, of_b, self.places, strict=True):
            if adapter:
                adapter.a.grad, adapter.b.grad = of_a[place], grad_b

    def _views(self, flat: Tensor) -> list[Tensor | None]:
        """Of numbers in one piece, those of `a` and those of each `b`."""
        made, start = [flat[: self.a.numel()].view_as(self.a)], self.a.numel()
        for b in self.b:
            stop = start + (0 if b is None else b.numel())
            made.append(None if b is None else flat[start:stop].view_as(b))
            start = stop
        return made


def _adapter(module: LoraLayer) -> _Adapter:
    (name,) = module.active_adapters
    weights = module.lora_A[name].weight, module.lora_B[name].weight
    return _Adapter(*weights, module.scaling[name], module.lora_dropout[name])
