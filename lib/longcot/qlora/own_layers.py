"""Training on bases whose layers `recomputation` does not know, by these layers' own code.

On a GPU what the backward pass needs is kept where there is room for it, and several traces go through together,
padded. Else each layer keeps its input, on the host, and is computed again. The output head is the model's own too
(`models.head`), on some tokens at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from longcot.qlora.keeping import ROWS
from longcot.qlora.room import HELD, free_gpu, trained_bytes

PROBE = 512  # tokens
BESIDE = 2  # layers' worth of what is kept, on top of all that is kept: the gradients of the layer that is on its way


class OwnLayers:
    """What is done with a model's layers in training.

    `together` are the padded tokens that may go through in one pass. Layers that are `checkpointed` take one trace.
    """

    padded = True

    def __init__(self, model: PeftModel):
        self.model, self.base = model, model.get_base_model()
        self.together, self.checkpointed = 0, False
        self._plain_head: bool | None = None

    def take_room(self, lengths: list[int], autocast: Callable[[], AbstractContextManager]) -> None:
        """Find out what there is room for; `lengths` are those of the largest step that can come, longest first."""
        if self.base.device.type == "cuda":
            text = self.base.config.get_text_config()
            room = free_gpu() / HELD - trained_bytes(self.model) - ROWS * text.vocab_size * 16
            kept = self.bytes_a_token(autocast) * (1 + BESIDE / text.num_hidden_layers)
            self.together = int(room // (kept + 16 * text.hidden_size))
        if lengths[0] > self.together:
            self.less()

    def bytes_a_token(self, autocast: Callable[[], AbstractContextManager]) -> float:
        """What the layers keep of a token for the backward pass, seen in a pass of `PROBE` of them."""
        ids, training = torch.zeros((1, PROBE), dtype=torch.long, device=self.base.device), self.model.training
        self.model.train()
        with torch.random.fork_rng([self.base.device]):
            before = torch.cuda.memory_allocated()
            with autocast():
                output = self.base.get_decoder()(ids, use_cache=False)
            kept = torch.cuda.memory_allocated() - before
        del output
        self.model.train(training)
        return kept / PROBE

    @torch.no_grad()
    def plain_head(self, logits: Callable[[Tensor], Tensor], rows: Tensor) -> bool:
        """Whether the model's `logits` are products of last states with one frozen matrix and nothing else.

        Seen once, by some `rows` of states (tokens, width), made larger: a cap changes small logits by less than a bit.
        """
        if self._plain_head is None:
            head, rows = self.base.get_output_embeddings(), rows * 64
            frozen = head is not None and not any(weights.requires_grad for weights in head.parameters())
            product = F.linear(rows.to(head.weight.dtype), head.weight) if frozen else None
            self._plain_head = frozen and torch.equal(logits(rows).float(), product.float())
        return self._plain_head

    def less(self, host: bool = False) -> bool:
        """Checkpoint from now on, and take trace by trace; False where that is done already, or cannot be."""
        self.together = 0
        if self.checkpointed or not self.base.supports_gradient_checkpointing:
            return False
        offload = self.base.device.type == "cuda"  # it pins memory, which a CPU has none of
        self.base.activation_checkpointing_enable(offload=offload)
        self.checkpointed = True
        return True


@contextmanager
def own_layers(model: PeftModel) -> Iterator[OwnLayers]:
    """Train by the model's own layers while this lasts."""
    layers = OwnLayers(model)
    try:
        yield layers
    finally:
        if layers.checkpointed:
            layers.base.activation_checkpointing_disable()
            layers.base.disable_input_require_grads()


def padded(ids: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor | None]:
    """Traces of these lengths that lie one after another in `ids` (1, tokens), below each other, padded behind, and the
    mask of what is not padding (both traces, longest); no mask for a single trace.
    """
    if len(lengths) == 1:
        return ids, None
    rows = ids[0].split(lengths)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return pad_sequence(rows, batch_first=True), mask
