"""Tensors of the forward pass that wait on the host for the backward pass, copied while the GPU computes."""

import torch

PIECE = 2**24  # bytes; pinned memory comes in powers of two, so one piece for a whole tensor could waste half of it


class HostStash:
    """Numbered tensors: put in rising order, got back in falling order, each once. On a CPU it just holds them.

    A copy to the host overlaps what the GPU computes next; while one tensor is used, the one before it is on its way
    back. Device memory holds two of them at most.
    """

    def __init__(self) -> None:
        self.held: dict[int, torch.Tensor | tuple[list[torch.Tensor], torch.Tensor]] = {}
        self.coming: dict[int, tuple[torch.Tensor, torch.cuda.Event]] = {}
        self.stream = torch.cuda.Stream() if torch.cuda.is_available() else None

    def put(self, number: int, tensor: torch.Tensor) -> None:
        """Keep a tensor's values; the caller may free it at once, but not write to it."""
        tensor = tensor.detach()
        if not tensor.is_cuda:
            self.held[number] = tensor
            return
        pieces = []
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for part in tensor.contiguous().view(-1).split(PIECE // tensor.element_size()):
                pieces.append(torch.empty(part.shape, dtype=part.dtype, pin_memory=True))
                pieces[-1].copy_(part, non_blocking=True)
        tensor.record_stream(self.stream)
        self.held[number] = pieces, torch.empty_like(tensor, device="meta")

    def get(self, number: int) -> torch.Tensor:
        """A tensor that was put, on its own device again."""
        if isinstance(self.held.get(number), torch.Tensor):
            return self.held.pop(number)
        self._fetch(number)
        tensor, event = self.coming.pop(number)
        torch.cuda.current_stream().wait_event(event)
        self._fetch(number - 1)
        return tensor

    def clear(self) -> None:
        """Forget everything, as after a step that failed midway."""
        self.held.clear()
        self.coming.clear()

    def _fetch(self, number: int) -> None:
        if number not in self.held:
            return
        pieces, like = self.held.pop(number)
        tensor = torch.empty_like(like, device="cuda")
        self.stream.wait_stream(torch.cuda.current_stream())  # the memory may still be read by what was there before
        with torch.cuda.stream(self.stream):
            for part, piece in zip(tensor.view(-1).split(PIECE // like.element_size()), pieces, strict=True):
                part.copy_(piece, non_blocking=True)
            self.coming[number] = tensor, self.stream.record_event()
