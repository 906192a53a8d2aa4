"""The parts of a decoder layer of the Llama family's structure, and their backward passes by hand."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longcot.qlora.attention import Attention, Places
from longcot.qlora.fused import gated, gated_backward, rotate
from longcot.qlora.host_stash import Named
from longcot.qlora.projections import Masks, Projections


class Parts:
    """A layer's modules, those of its linear ones together that read the same input."""

    def __init__(self, layer: nn.Module):
        attention, mlp, dtype = layer.self_attn, layer.mlp, layer.input_layernorm.weight.dtype
        self.before, self.between = layer.input_layernorm, layer.post_attention_layernorm
        self.norms = [getattr(attention, "q_norm", None), getattr(attention, "k_norm", None), None]
        self.normed = any(self.norms)
        self.head, self.scale, self.activation = attention.head_dim, attention.scaling, mlp.act_fn
        self.silu = attention.config.hidden_act in ("silu", "swish")
        self.window = getattr(attention, "sliding_window", getattr(attention.config, "sliding_window", None))
        self.qkv = Projections([attention.q_proj, attention.k_proj, attention.v_proj], dtype)
        self.o = Projections([attention.o_proj], dtype)
        self.gate_up = Projections([mlp.gate_proj, mlp.up_proj], dtype)
        self.down = Projections([mlp.down_proj], dtype)
        self.every = [self.qkv, self.o, self.gate_up, self.down]
        self.drops = any(some.drops for some in self.every)

    def normalized(self, heads: Tensor) -> tuple[Tensor, list["Step | None"]]:
        """Queries and keys among the heads (tokens, heads of all kinds) as the layer's norms make them, and how."""
        made, steps = heads.clone(), []
        for norm, columns in zip(self.norms, self.qkv.columns, strict=True):
            steps.append(norm and Step(partial(rms_norm, norm), heads[:, columns].unflatten(1, (-1, self.head))))
            if norm:
                made[:, columns] = steps[-1].value.flatten(1)
        return made, steps

    def turn(self, heads: Tensor, places: Places, back: bool = False) -> None:
        """Turn queries and keys by their position, or back; in place."""
        rotate(heads, self.qkv.columns[1].stop // self.head, places.cos, places.sin, back)

    def apart(self, heads: Tensor, places: Places) -> list[Tensor]:
        """Views of queries, keys and values as (batch, heads, tokens, head)."""
        tokens = sum(places.lengths)
        each = (heads[:, columns] for columns in self.qkv.columns)
        return [rows.view(len(rows) // tokens, tokens, -1, self.head).transpose(1, 2) for rows in each]

    def gated(self, gate_up: Tensor) -> Tensor:
        """The activation of gate times up, of both side by side in the rows."""
        if self.silu:
            return gated(gate_up)
        gate, up = gate_up.chunk(2, 1)
        return self.activation(gate) * up

    def gated_backward(self, gate_up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of both, and the result once more; what was given is used up."""
        if self.silu:
            return gated_backward(gate_up, grad)
        gate, up = gate_up.chunk(2, 1)
        activated = Step(self.activation, gate)
        return torch.cat((activated.backward(grad * up), grad * activated.value), 1), activated.value * up


class Front:
    """A layer up to its attention's output, for the backward pass: what was kept of it, and the rest once more."""

    def __init__(
        self,
        parts: Parts,
        weights: list[Tensor],
        rows: Tensor,
        kept: Named,
        attention: Attention | None,
        places: Places,
    ):
        self.parts, (self.qkv, self.o, *_), self.places = parts, weights, places
        self.first = Step(partial(rms_norm, parts.before), rows)
        self.masks, were_kept = parts.qkv.masks(rows), "heads" in kept
        if were_kept:
            heads, self.low = kept.pop("heads")
        else:
            self.low = parts.qkv.low(self.first.value, self.masks)
            heads = parts.qkv.outputs(self.qkv, self.first.value, self.low)
        heads, self.norms = parts.normalized(heads) if parts.normed else (heads, [])
        if parts.normed or not were_kept:
            parts.turn(heads, places)
        split = parts.apart(heads, places)
        if attention:
            attention.restore(*split, kept.pop("attention"))
        self.attention = attention or Attention(*split, places, parts.scale)
        self.masks_out: Masks = parts.o.masks(self.attention.out)
        self.low_out = kept["middle"][1] if "middle" in kept else parts.o.low(self.attention.out, self.masks_out)

    def middle(self, rows: Tensor) -> Tensor:
        """The sum of the layer's input and its attention's output."""
        return self.parts.o.outputs(self.o, self.attention.out, self.low_out).add_(rows)

    def backward(self, grad: Tensor, wanted: bool) -> Tensor | None:
        """The gradient of the input, where it is `wanted`, of that of the sum, which it is added to."""
        parts, attention, self.attention = self.parts, self.attention, None
        grad_out, grad_low = parts.o.back(self.o, grad, self.masks_out)
        parts.o.learn(grad, grad_low, attention.out, self.low_out, self.masks_out)
        grads = attention.backward(grad_out)
        del attention, grad_out
        heads = torch.cat([one.transpose(1, 2).reshape(len(grad), -1) for one in grads], 1)
        del grads
        parts.turn(heads, self.places, back=True)
        for step, columns in zip(self.norms, parts.qkv.columns, strict=False):
            if step:
                heads[:, columns] = step.backward(heads[:, columns].unflatten(1, (-1, parts.head))).flatten(1)
        grad_first, grad_low = parts.qkv.back(self.qkv, heads, self.masks, wanted)
        parts.qkv.learn(heads, grad_low, self.first.value, self.low, self.masks)
        del heads
        return grad.add_(self.first.backward(grad_first)) if wanted else None


def mlp_backward(
    parts: Parts, weights: list[Tensor], rows: Tensor, grad: Tensor, kept: list[Tensor | None] | None
) -> Tensor:
    """The gradient of a tile's rows through the MLP. The down projection's own output is not needed for it."""
    first, (*_, gate_up, down) = Step(partial(rms_norm, parts.between), rows), weights
    masks = parts.gate_up.masks(rows)
    if kept:
        both, low, low_down = kept
        kept.clear()
    else:
        low, low_down = parts.gate_up.low(first.value, masks), None
        both = parts.gate_up.outputs(gate_up, first.value, low)
    masks_down = parts.down.masks(both.chunk(2, 1)[0])
    back, back_low = parts.down.back(down, grad, masks_down)
    both, product = parts.gated_backward(both, back)
    del back
    if low_down is None:
        low_down = parts.down.low(product, masks_down)
    parts.down.learn(grad, back_low, product, low_down, masks_down)
    del product
    back, back_low = parts.gate_up.back(gate_up, both, masks)
    parts.gate_up.learn(both, back_low, first.value, low, masks)
    del both
    return first.backward(back)


class Step:
    """A function of one tensor with the graph of its backward pass."""

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor):
        self.x = x.detach().requires_grad_()
        with torch.enable_grad():
            self.made = function(self.x)
        self.value = self.made.detach()

    def backward(self, grad: Tensor) -> Tensor:
        return torch.autograd.grad(self.made, self.x, grad)[0]


def rms_norm(norm: nn.Module, hidden: Tensor) -> Tensor:
    """What the module makes of it, in one pass of torch's own."""
    return F.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)
