"""Operations that pass over memory once: Triton's on an NVIDIA GPU, torch's own in several passes elsewhere."""

import functools
import logging
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 2048  # numbers of a program
log = logging.getLogger(__name__)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) x up."""
    kernels = _kernels() if gate.is_cuda else None
    if not kernels:
        return F.silu(gate) * up
    out = torch.empty_like(gate)
    kernels.gated[_programs(gate)](gate, up, out, gate.numel(), BLOCK=BLOCK)
    return out


def gated_backward(gate: Tensor, up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of gate and up, of that of `gated`, and once more its result: where what was given lay."""
    kernels = _kernels() if gate.is_cuda else None
    if not kernels:
        silu = F.silu(gate)
        product, grad_up = silu * up, silu.mul_(grad)
        return torch.ops.aten.silu_backward(grad.mul_(up), gate), grad_up, product
    kernels.gated_backward[_programs(gate)](gate, up, grad, gate.numel(), BLOCK=BLOCK)
    return gate, up, grad


def rotate(rows: Tensor, cos: Tensor, sin: Tensor, back: bool = False) -> None:
    """Turn queries or keys (tokens, heads, head) by their position, or back (RoFormer, arXiv 2104.09864).

    `cos` and `sin` (tokens, head), both halves the same.
    """
    kernels, half, sign = _kernels() if rows.is_cuda else None, rows.shape[-1] // 2, -1.0 if back else 1.0
    if kernels:
        kernels.rotate[_programs(rows)](rows, cos, sin, rows.numel() // 2, rows.shape[1], half, sign, BLOCK=BLOCK // 2)
        return
    cos, sin, first, second = cos[:, None, :half], sin[:, None, :half], rows[..., :half], rows[..., half:]
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

        x = torch.ones(4, device="cuda")
        triton_kernels.gated[(1,)](x, x, torch.empty_like(x), 4, BLOCK=BLOCK)
    except Exception as error:  # no Triton, no compiler for its launcher, a GPU that it does not know
        log.warning("Triton cannot be used here (%s); torch's own operations are, some 5%% slower", error)
        return None
    return triton_kernels
