"""The parts of a decoder layer of the Llama family's structure, and their backward passes by hand."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longcot.qlora.attention import Attention, Places, rotated
from longcot.qlora.host_stash import Named
from longcot.qlora.projections import Masks, Projections, Ready


class Parts:
    """A layer's modules, those of its linear ones together that read the same input."""

    def __init__(self, layer: nn.Module):
        attention, mlp = layer.self_attn, layer.mlp
        self.before, self.between = layer.input_layernorm, layer.post_attention_layernorm
        self.heads = [getattr(attention, "q_norm", None), getattr(attention, "k_norm", None), None]
        self.head, self.scale, self.activation = attention.head_dim, attention.scaling, mlp.act_fn
        self.window = getattr(attention, "sliding_window", getattr(attention.config, "sliding_window", None))
        self.qkv = Projections([attention.q_proj, attention.k_proj, attention.v_proj])
        self.o = Projections([attention.o_proj])
        self.gate_up = Projections([mlp.gate_proj, mlp.up_proj])
        self.down = Projections([mlp.down_proj])
        self.every = [self.qkv, self.o, self.gate_up, self.down]
        self.drops = any(some.drops for some in self.every)

    def turned(self, heads: list[Tensor], places: Places, norm: bool = True) -> list[Tensor]:
        """Queries, keys and values (batch, heads, tokens, head) of their rows: normalized where the layer does so, and
        turned by their position.
        """
        made, tokens = [], sum(places.lengths)
        for rows, by, turns in zip(heads, self.heads, (True, True, False), strict=True):
            x = rows.view(len(rows) // tokens, tokens, -1, self.head)
            x = (rms_norm(by, x) if by and norm else x).transpose(1, 2)
            made.append(rotated(x, places) if turns else x)
        return made


class Front:
    """A layer up to its attention's output, for the backward pass: what was kept of it, and the rest once more."""

    def __init__(
        self,
        parts: Parts,
        qkv: Ready,
        o: Ready,
        rows: Tensor,
        kept: Named,
        attention: Attention | None,
        places: Places,
    ):
        self.parts, self.qkv, self.o, self.places = parts, qkv, o, places
        self.first = _Step(partial(rms_norm, parts.before), rows)
        *heads, self.low = kept.pop("heads", [None])
        self.masks: Masks = None
        if not heads or parts.drops:
            self.low, self.masks = qkv.low(self.first.value)
        heads = heads or qkv.outputs(self.first.value, self.low)
        # Only queries and keys that the layer normalizes are needed as they were before.
        self.normed = [
            by and _Step(partial(rms_norm, by), some.view(-1, parts.head))
            for by, some in zip(parts.heads, heads, strict=True)
        ]
        heads = [one.value.view_as(some) if one else some for one, some in zip(self.normed, heads, strict=True)]
        turned = parts.turned(heads, places, norm=False)
        del heads
        if attention:
            attention.restore(*turned, kept.pop("attention"))
        self.attention = attention or Attention(*turned, places, parts.scale)
        self.low_out, self.masks_out = kept.get("middle", [None, None])[1], None
        if self.low_out is None or parts.drops:
            self.low_out, self.masks_out = o.low(self.attention.out)

    def middle(self, rows: Tensor) -> Tensor:
        """The sum of the layer's input and its attention's output."""
        return self.o.outputs(self.attention.out, self.low_out)[0].add_(rows)

    def backward(self, grad: Tensor, wanted: bool) -> Tensor | None:
        """The gradient of the input, where it is `wanted`, of that of the sum, which it is added to."""
        grad_out = self.o.backward([grad], self.attention.out, self.low_out, self.masks_out)
        grads = []
        for back, step, turns in zip(self.attention.backward(grad_out), self.normed, (True, True, False), strict=True):
            back = rotated(back, self.places, back=True) if turns else back
            back = back.transpose(1, 2)
            grads.append((step.backward(back.reshape(-1, self.parts.head)) if step else back).reshape(len(grad), -1))
        grad_first = self.qkv.backward(grads, self.first.value, self.low, self.masks, wanted)
        return grad.add_(self.first.backward(grad_first)) if wanted else None


def mlp_backward(
    parts: Parts, gate_up: Ready, down: Ready, rows: Tensor, grad: Tensor, kept: list[Tensor | None] | None
) -> Tensor:
    """The gradient of a tile's rows through the MLP. The down projection's own output is not needed for it."""
    first, masks, masks_down = _Step(partial(rms_norm, parts.between), rows), None, None
    gate, up, low, low_down = kept or [None] * 4
    if gate is None or parts.drops:
        low, masks = gate_up.low(first.value)
    if gate is None:
        gate, up = gate_up.outputs(first.value, low)
    activated = _Step(parts.activation, gate)
    product = activated.value * up
    if low_down is None or parts.drops:
        low_down, masks_down = down.low(product)
    grad = down.backward([grad], product, low_down, masks_down)
    del product
    grad_up = grad * activated.value
    grad_gate = activated.backward(grad.mul_(up))
    return first.backward(gate_up.backward([grad_gate, grad_up], first.value, low, masks))


class _Step:
    """A function of one tensor with the graph of its backward pass."""

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor):
        self.x = x.detach().requires_grad_()
        with torch.enable_grad():
            self.made = function(self.x)

    @property
    def value(self) -> Tensor:
        return self.made.detach()

    def backward(self, grad: Tensor) -> Tensor:
        return torch.autograd.grad(self.made, self.x, grad)[0]


def rms_norm(norm: nn.Module, hidden: Tensor) -> Tensor:
    """What the module makes of it, in one pass of torch's own."""
    return F.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)
