"""The linear modules of a 4-bit layer with their adapters, forwards and backwards by hand.

Those that read the same input are taken together. The low-rank term is added by the product that makes it: PEFT's own
order of operations passes nine times over an output as large as the MLP's, this passes over it twice. Many small
operations are what a small model waits for, so the adapters' matrices are cast once a pass, and their gradients lie in
one piece.
"""

import itertools
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
    """Linear modules of one input x, as one product: x Wᵀ + bias + scale (dropout(x) Aᵀ) Bᵀ, W (outs, in) frozen.

    `outs` are all their outputs side by side, each one's columns in `columns`. W is in four bits; `kept` is W if it
    stays dequantized. `low` are always the low-rank states side by side, (tokens, ranks), None where none has an
    adapter; `masks` what each multiplied its input with where adapters drop. Computed in `dtype`.
    """

    def __init__(self, modules: list[nn.Module], dtype: torch.dtype):
        self.bases = [getattr(module, "base_layer", module) for module in modules]
        self.adapters = [_adapter(module) if isinstance(module, LoraLayer) else None for module in modules]
        found = [adapter for adapter in self.adapters if adapter]
        self.drops = any(getattr(adapter.dropout, "p", 0.0) for adapter in found)
        self.dtype, self.kept = dtype, None
        self.columns = _slices([base.out_features for base in self.bases])
        self.places = _slices([len(adapter.a) if adapter else 0 for adapter in self.adapters])  # in `low`, and of A
        self.outs, ranks = self.columns[-1].stop, self.places[-1].stop
        biases = [base.bias for base in self.bases]
        self.bias = None
        if any(bias is not None for bias in biases):
            like = next(bias for bias in biases if bias is not None)
            each = zip(self.bases, biases, strict=True)
            parts = [like.new_zeros(base.out_features) if bias is None else bias for base, bias in each]
            self.bias = torch.cat(parts).detach().to(dtype)
        self.a = self.b = self.grad = None
        if found:
            like = found[0].a.detach()
            self.a = like.new_empty((ranks, like.shape[1]), dtype=dtype)
            self.b = like.new_zeros((self.outs, ranks), dtype=dtype)  # each adapter's in its own rows and columns

    def casts(self) -> list[tuple[nn.Parameter, Tensor, float]]:
        """The adapters' matrices, where they are to be cast to, and times what."""
        made = []
        for adapter, rows, place in zip(self.adapters, self.columns, self.places, strict=True):
            if adapter:
                made += [(adapter.a, self.a[place], 1.0), (adapter.b, self.b[rows, place], adapter.scale)]
        return made

    def weight(self) -> Tensor:
        """W, dequantized."""
        if self.kept is not None:
            return self.kept
        weight = torch.empty(
            (self.outs, self.bases[0].in_features), dtype=self.dtype, device=self.bases[0].weight.device
        )
        for base, rows in zip(self.bases, self.columns, strict=True):
            data, state = base.weight.data, base.weight.quant_state
            if weight.is_cuda and state.dtype == self.dtype:  # bitsandbytes has no such operation for a CPU
                bnb.functional.dequantize_4bit(data, state, out=weight[rows])
            else:
                weight[rows] = bnb.functional.dequantize_4bit(data, state)
        return weight

    def masks(self, x: Tensor) -> Masks:
        """Draws them for an input like x."""
        return [adapter and adapter.dropout(torch.ones_like(x)) for adapter in self.adapters] if self.drops else None

    def low(self, x: Tensor, masks: Masks) -> Tensor | None:
        if self.a is None or masks is None:
            return None if self.a is None else x @ self.a.t()
        each = zip(masks, self.places, strict=True)
        return torch.cat([(x * mask) @ self.a[place].t() for mask, place in each if mask is not None], 1)

    def outputs(self, weight: Tensor, x: Tensor, low: Tensor | None) -> Tensor:
        """What the modules make of x (tokens, in)."""
        outs = F.linear(x, weight, self.bias)
        return outs if low is None else outs.addmm_(low, self.b.t())

    def back(self, weight: Tensor, grad: Tensor, masks: Masks, wanted: bool = True):
        """The gradients of x, None unless it is `wanted`, and of `low`, of that of the outputs."""
        grad_x, grad_low = grad @ weight if wanted else None, None if self.a is None else grad @ self.b
        if wanted and self.a is not None and masks is None:
            grad_x.addmm_(grad_low, self.a)
        elif wanted and masks is not None:
            for mask, place in zip(masks, self.places, strict=True):
                if mask is not None:
                    grad_x += (grad_low[:, place] @ self.a[place]) * mask
        return grad_x, grad_low

    def learn(self, grad: Tensor, grad_low: Tensor | None, x: Tensor, low: Tensor | None, masks: Masks) -> None:
        """Add the gradients of the adapters' matrices to their parameters'."""
        if self.a is None:
            return
        found = [one for one in zip(self.adapters, self.columns, self.places, strict=True) if one[0]]
        flat = x.new_empty(self.a.numel() + sum(adapter.b.numel() for adapter, *_ in found))
        of_a, *of_b = self._views(flat)
        if masks is None:
            torch.mm(grad_low.t(), x, out=of_a)
        else:
            for mask, place in zip(masks, self.places, strict=True):
                if mask is not None:
                    torch.mm(grad_low[:, place].t(), x * mask, out=of_a[place])
        for out, (adapter, rows, place) in zip(of_b, found, strict=True):
            torch.addmm(out, grad[:, rows].t(), low[:, place], beta=0, alpha=adapter.scale, out=out)
        if self.grad is not None and found[0][0].a.grad is not None:
            self.grad += flat
            return
        self.grad = flat.float()
        of_a, *of_b = self._views(self.grad)
        for grad_b, (adapter, _, place) in zip(of_b, found, strict=True):
            adapter.a.grad, adapter.b.grad = of_a[place], grad_b

    def _views(self, flat: Tensor) -> list[Tensor]:
        """Of numbers in one piece, those of all A, and of each B."""
        sizes = [self.a.numel(), *(adapter.b.numel() for adapter in self.adapters if adapter)]
        shapes = [self.a.shape, *(adapter.b.shape for adapter in self.adapters if adapter)]
        return [part.view(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]


def _slices(sizes: list[int]) -> list[slice]:
    stops = list(itertools.accumulate(sizes))
    return [slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True)]


def _adapter(module: LoraLayer) -> _Adapter:
    (name,) = module.active_adapters
    weights = module.lora_A[name].weight, module.lora_B[name].weight
    return _Adapter(*weights, module.scaling[name], module.lora_dropout[name])
