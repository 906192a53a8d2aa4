"""Operations that pass over memory once: Triton's on an NVIDIA GPU, torch's own in several passes elsewhere."""

import functools
import logging
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 2048  # numbers of a program
log = logging.getLogger(__name__)


def gated(gate_up: Tensor) -> Tensor:
    """silu(gate) x up, of both side by side in the rows."""
    kernels, (gate, up) = _kernels() if gate_up.is_cuda else None, gate_up.chunk(2, 1)
    if not kernels:
        return F.silu(gate) * up
    out = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    kernels.gated[_programs(out)](gate_up, out, out.numel(), gate.shape[1], BLOCK=BLOCK)
    return out


def gated_backward(gate_up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of gate and up, of that of `gated`, and once more its result: where what was given lay."""
    kernels, (gate, up) = _kernels() if gate_up.is_cuda else None, gate_up.chunk(2, 1)
    if kernels:
        kernels.gated_backward[_programs(grad)](gate_up, grad, grad.numel(), gate.shape[1], BLOCK=BLOCK)
        return gate_up, grad
    silu = F.silu(gate)
    product, grad_gate = silu * up, torch.ops.aten.silu_backward(grad * up, gate)
    torch.mul(grad, silu, out=up)
    gate.copy_(grad_gate)
    return gate_up, product


def rotate(rows: Tensor, heads: int, cos: Tensor, sin: Tensor, back: bool = False) -> None:
    """Turn the first heads of each row (tokens, heads of all kinds) by their position, or back (arXiv 2104.09864).

    `cos` and `sin` (tokens, head), both halves the same. Rows of queries, keys and values: the first two are turned.
    """
    kernels, half, sign = _kernels() if rows.is_cuda else None, cos.shape[-1] // 2, -1.0 if back else 1.0
    if kernels:
        pairs = len(rows) * heads * half
        grid = (-(-pairs // (BLOCK // 2)),)
        kernels.rotate[grid](rows, cos, sin, pairs, rows.stride(0), heads, half, sign, BLOCK=BLOCK // 2)
        return
    turning = rows[:, : heads * 2 * half].view(len(rows), heads, 2 * half)
    cos, sin, first, second = cos[:, None, :half], sin[:, None, :half], turning[..., :half], turning[..., half:]
    turned = (first * cos).addcmul_(second, sin, value=-sign)
    second.mul_(cos).addcmul_(first, sin, value=sign)
    first.copy_(turned)


def _programs(tensor: Tensor) -> tuple[int]:
    return (-(-tensor.numel() // BLOCK),)


@functools.cache
def _kernels() -> ModuleType | None:
    """The kernels, tried once; None where this machine cannot have them."""
    try:
        from longcot.qlora import triton_kernels

        x = torch.ones((1, 4), device="cuda")
        triton_kernels.gated[(1,)](x, torch.empty_like(x), 2, 2, BLOCK=BLOCK)
    except Exception as error:  # no Triton, no compiler for its launcher, a GPU that it does not know
        log.warning("Triton cannot be used here (%s); torch's own operations are, some 5%% slower", error)
        return None
    return triton_kernels
