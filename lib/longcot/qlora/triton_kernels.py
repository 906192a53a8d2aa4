"""The kernels of `fused`, for Triton: each number is read once and written once."""

import triton
import triton.language as tl


@triton.jit
def gated(gate, up, out, count, BLOCK: tl.constexpr):
    """out = silu(gate) x up, in 32 bits."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(gate + at, inside, 0.0).to(tl.float32)
    y = tl.load(up + at, inside, 0.0).to(tl.float32)
    tl.store(out + at, x * tl.sigmoid(x) * y, inside)


@triton.jit
def gated_backward(gate, up, grad, count, BLOCK: tl.constexpr):
    """gate and up become their gradients, the result's gradient the result."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(gate + at, inside, 0.0).to(tl.float32)
    y = tl.load(up + at, inside, 0.0).to(tl.float32)
    back = tl.load(grad + at, inside, 0.0).to(tl.float32)
    share = tl.sigmoid(x)
    silu = x * share
    tl.store(gate + at, back * y * (share + silu * (1 - share)), inside)
    tl.store(up + at, back * silu, inside)
    tl.store(grad + at, silu * y, inside)


@triton.jit
def rotate(rows, cos, sin, pairs, heads, half, sign, BLOCK: tl.constexpr):
    """rows (tokens, heads, 2 half), turned by cos and sin (tokens, 2 half) of which the first half is read."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pairs
    row, place = at // half, at % half
    angle = row // heads * (2 * half) + place
    first = row * (2 * half) + place
    x = tl.load(rows + first, inside, 0.0).to(tl.float32)
    y = tl.load(rows + first + half, inside, 0.0).to(tl.float32)
    c = tl.load(cos + angle, inside, 0.0).to(tl.float32)
    s = tl.load(sin + angle, inside, 0.0).to(tl.float32) * sign
    tl.store(rows + first, x * c - y * s, inside)
    tl.store(rows + first + half, y * c + x * s, inside)
