"""Causal attention of traces that lie one after another, each to itself, whose backward pass can wait on the host."""

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks
from torch.nn import functional as F


@dataclass(frozen=True)
class Places:
    """Where tokens stand: `lengths` of the traces one after another, the rotation's `cos` and `sin` (batch x tokens,
    head), and a `mask` for batches that need one, as of padding on the left.
    """

    lengths: list[int]
    cos: Tensor
    sin: Tensor
    mask: Tensor | None = None


def attend(q: Tensor, k: Tensor, v: Tensor, places: Places, scale: float) -> Tensor:
    """The attention's result (batch x tokens, heads x head), as of `Attention`, nothing kept."""
    return _joined([_one(*parts, places, scale) for parts in _split(q, k, v, places)])


class Attention:
    """The attention of queries (batch, heads, tokens, head), keys and values, with the graph of its backward pass.

    What the graph saved lies in `tensors`, the result `out` (batch x tokens, heads x head) first, without the queries,
    keys and values: between `release` and `restore` it holds none of them.
    """

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, places: Places, scale: float):
        self.given, self.saved, pieces = (q, k, v), [], []
        anchor = torch.zeros((), device=q.device, requires_grad=True)
        me = weakref.ref(self)  # what the graph calls must not hold what holds the graph
        unpack = lambda saved: me()._unpack(saved)  # noqa: E731
        with torch.enable_grad(), saved_tensors_hooks(self._pack, unpack):
            sources = _Sources.apply(anchor, q, k, v)
            for parts in _split(*sources, places):
                pieces.append(_one(*parts, places, scale))
        self.made = [get_gradient_edge(piece) for piece in pieces]
        self.sources = [get_gradient_edge(source) for source in sources]
        self.out = _joined([piece.detach() for piece in pieces])
        self.shape = *q.transpose(1, 2).shape[:2], *pieces[0].transpose(1, 2).shape[2:]
        start = 0
        for piece in pieces:
            for saved in self.saved:
                if saved.tensor is not None and _same(saved.tensor, piece):
                    saved.tensor, saved.piece = None, slice(start, start + piece.shape[2])
            start += piece.shape[2]
        self.lengths = [piece.shape[2] for piece in pieces]

    def release(self) -> list[Tensor]:
        """The tensors that are needed again; the graph alone stays."""
        tensors = [self.out, *(saved.tensor for saved in self.saved if saved.tensor is not None)]
        for saved in self.saved:
            saved.waits, saved.tensor = saved.tensor is not None, None
        self.given = self.out = None
        return tensors

    def restore(self, q: Tensor, k: Tensor, v: Tensor, tensors: list[Tensor]) -> None:
        """Take them back, and the queries, keys and values as they were."""
        self.given, (self.out, *rest) = (q, k, v), tensors
        for saved in self.saved:
            if saved.waits:
                saved.tensor = rest.pop(0)

    def backward(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of queries, keys and values; the graph and all tensors are gone afterwards, though this object
        is held for as long as the graph of all layers.
        """
        grads = grad.view(self.shape).transpose(1, 2).split(self.lengths, 2)
        grads = torch.autograd.grad(self.made, self.sources, grads)
        self.given = self.out = None
        for saved in self.saved:
            saved.tensor = None
        return grads

    def _pack(self, tensor: Tensor) -> "_Saved":
        for number, given in enumerate(self.given):
            if _same(tensor, given):
                offset = tensor.storage_offset() - given.storage_offset()
                return _Saved(view=(number, tensor.shape, tensor.stride(), offset))
        self.saved.append(_Saved(tensor=tensor.detach()))
        return self.saved[-1]

    def _unpack(self, saved: "_Saved") -> Tensor:
        if saved.view:
            number, shape, stride, offset = saved.view
            return self.given[number].as_strided(shape, stride, self.given[number].storage_offset() + offset)
        if saved.piece:
            return self.out.view(self.shape)[:, saved.piece].transpose(1, 2)
        return saved.tensor


@dataclass
class _Saved:
    """What the graph saved: a view of a given tensor, a piece of the result, or a tensor of its own."""

    view: tuple[int, torch.Size, tuple[int, ...], int] | None = None
    tensor: Tensor | None = None
    piece: slice | None = None
    waits: bool = False


class _Sources(torch.autograd.Function):
    """The tensors themselves, as if something had made them: a leaf of the graph would hold them for as long."""

    @staticmethod
    def forward(ctx, anchor: Tensor, *tensors: Tensor):
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx, *grads: Tensor):
        return None, *grads


def _split(q: Tensor, k: Tensor, v: Tensor, places: Places):
    if len(places.lengths) == 1:
        return [(q, k, v)]
    return list(zip(*(tensor.split(places.lengths, 2) for tensor in (q, k, v)), strict=True))


def _one(q: Tensor, k: Tensor, v: Tensor, places: Places, scale: float) -> Tensor:
    causal, shared = places.mask is None, q.shape[1] // k.shape[1]
    if not causal:  # with a mask only torch's slowest way takes keys that several queries share
        k, v, shared = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1), 1
    return F.scaled_dot_product_attention(q, k, v, places.mask, is_causal=causal, scale=scale, enable_gqa=shared > 1)


def _joined(pieces: list[Tensor]) -> Tensor:
    tokens_first = [piece.transpose(1, 2) for piece in pieces]
    out = tokens_first[0] if len(pieces) == 1 else torch.cat(tokens_first, 1)
    return out.reshape(out.shape[0] * out.shape[1], -1)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
