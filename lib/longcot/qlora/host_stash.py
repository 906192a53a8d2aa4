"""Tensors of the forward pass that wait on the host for the backward pass, copied while the GPU computes."""

from collections import deque

import torch
from torch import Tensor

PIECE = 2**24  # bytes; pinned memory comes in powers of two, so one piece for a whole tensor could waste half of it
SMALL = 2**16  # bytes: what is smaller is not worth a copy
Named = dict[str, list[Tensor | None]]


class HostStash:
    """Numbered tensors: put in rising order, got back in falling order, each once. On a CPU it just holds them.

    A copy to the host overlaps what the GPU computes next; while one number's tensors are used, those of the one before
    it are on their way back. Device memory holds two numbers' at most.
    """

    def __init__(self) -> None:
        self.held: dict[int, dict[str, list]] = {}
        self.coming: dict[int, tuple[Named, torch.cuda.Event]] = {}
        self.leaving: deque[tuple[torch.cuda.Event, Named]] = deque()
        self.stream = torch.cuda.Stream() if torch.cuda.is_available() else None

    def put(self, number: int, tensors: Named) -> None:
        """Keep the tensors' values; nobody may write to them any more."""
        if self.stream is None:
            self.held[number] = tensors
            return
        self._let_go(1)
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.held[number] = {name: [_away(tensor) for tensor in some] for name, some in tensors.items()}
            self.leaving.append((self.stream.record_event(), tensors))

    def get(self, number: int) -> Named:
        """What was put under a number, on its own device again; nothing where nothing was."""
        if self.stream is None:
            return self.held.pop(number, {})
        self._let_go(0)
        self._fetch(number)
        tensors, event = self.coming.pop(number)
        torch.cuda.current_stream().wait_event(event)
        self._fetch(number - 1)
        return tensors

    def clear(self) -> None:
        """Forget everything, as after a step that failed midway."""
        self.held.clear()
        self.coming.clear()
        self.leaving.clear()

    def _let_go(self, most: int) -> None:
        """Free what has left; let the GPU wait until no more than `most` puts are still leaving."""
        while len(self.leaving) > most:
            torch.cuda.current_stream().wait_event(self.leaving.popleft()[0])

    def _fetch(self, number: int) -> None:
        if number in self.coming:
            return
        tensors: Named = {}
        waiting = self.held.pop(number, {})
        for name, some in waiting.items():
            tensors[name] = [torch.empty_like(one[1], device="cuda") if isinstance(one, tuple) else one for one in some]
        self.stream.wait_stream(torch.cuda.current_stream())  # the memory may still be read by what was there before
        with torch.cuda.stream(self.stream):
            for name, some in waiting.items():
                for one, tensor in zip(some, tensors[name], strict=True):
                    if isinstance(one, tuple):
                        _back(one[0], tensor)
            self.coming[number] = tensors, self.stream.record_event()


def _away(tensor: Tensor | None) -> tuple[list[Tensor], Tensor] | Tensor | None:
    """Pinned copies of a tensor's pieces, and one like it without values; what is small or elsewhere, as it is."""
    if tensor is None or not tensor.is_cuda or tensor.nbytes < SMALL:
        return tensor
    pieces = []
    for part in tensor.contiguous().view(-1).split(PIECE // tensor.element_size()):
        pieces.append(torch.empty(part.shape, dtype=part.dtype, pin_memory=True))
        pieces[-1].copy_(part, non_blocking=True)
    return pieces, torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _back(pieces: list[Tensor], tensor: Tensor) -> None:
    for part, piece in zip(tensor.view(-1).split(PIECE // tensor.element_size()), pieces, strict=True):
        part.copy_(piece, non_blocking=True)
