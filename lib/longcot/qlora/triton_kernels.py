"""The kernels of `fused`, for Triton: each number is read once and written once."""

import triton
import triton.language as tl


@triton.jit
def gated(gate_up, out, count, width, BLOCK: tl.constexpr):
    """out (rows, width) = silu(gate) x up of gate_up (rows, 2 width), in 32 bits."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    gate = gate_up + at + at // width * width
    x = tl.load(gate, inside, 0.0).to(tl.float32)
    y = tl.load(gate + width, inside, 0.0).to(tl.float32)
    tl.store(out + at, x * tl.sigmoid(x) * y, inside)


@triton.jit
def gated_backward(gate_up, grad, count, width, BLOCK: tl.constexpr):
    """gate_up becomes its gradient, the result's gradient the result."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    gate = gate_up + at + at // width * width
    x = tl.load(gate, inside, 0.0).to(tl.float32)
    y = tl.load(gate + width, inside, 0.0).to(tl.float32)
    back = tl.load(grad + at, inside, 0.0).to(tl.float32)
    share = tl.sigmoid(x)
    silu = x * share
    tl.store(gate, back * y * (share + silu * (1 - share)), inside)
    tl.store(gate + width, back * silu, inside)
    tl.store(grad + at, silu * y, inside)


@triton.jit
def rotate(rows, cos, sin, pairs, stride, heads, half, sign, BLOCK: tl.constexpr):
    """The first heads (each 2 half) of each row turned by cos and sin (rows, 2 half), whose first half is read."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pairs
    row, place = at // (heads * half), at % half
    angle = row * (2 * half) + place
    first = row * stride + at // half % heads * (2 * half) + place
    x = tl.load(rows + first, inside, 0.0).to(tl.float32)
    y = tl.load(rows + first + half, inside, 0.0).to(tl.float32)
    c = tl.load(cos + angle, inside, 0.0).to(tl.float32)
    s = tl.load(sin + angle, inside, 0.0).to(tl.float32) * sign
    tl.store(rows + first, x * c - y * s, inside)
    tl.store(rows + first + half, y * c + x * s, inside)
