"""transformers' Trainer for LoRA adapters on long traces: same losses and gradients, a fraction of the memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import Trainer

from longcot.qlora.checkpointing import checkpointing, head_of
from longcot.qlora.recomputation import knows, recomputing

IGNORED = -100  # the label that torch's cross-entropy leaves out
ROWS = 1024  # tokens whose logits exist at once: 0.6 GB in fp32 for a vocabulary of 152,064


class AdapterTrainer(Trainer):
    """A Trainer whose layers are `recomputing`, or `checkpointing`, and whose loss never makes all logits at once."""

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's own."""
        self.lean = knows(self.model.get_base_model().config)
        with (recomputing if self.lean else checkpointing)(self.model):
            return super().train(*args, **kwargs)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """The cross-entropy of the labelled tokens, summed and divided by the step's number of them."""
        base = self.model.get_base_model()
        labels = inputs.pop("labels")[:, 1:]
        if self.lean:
            hidden = base.get_decoder()(**inputs, use_cache=False).last_hidden_state
            total = summed_loss(hidden[:, :-1], labels, partial(F.linear, weight=base.get_output_embeddings().weight))
        else:
            with self.accelerator.autocast():
                output = base.get_decoder()(**inputs, use_cache=False)
                total = summed_loss(output.last_hidden_state[:, :-1], labels, head_of(base, output))
        return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


def summed_loss(hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    """The cross-entropy in fp32, summed over the tokens whose label is not `IGNORED`.

    `hidden` (batch, tokens, width) are the last states, each of which predicts its label of `labels` (batch, tokens);
    `head` makes logits of them. They are made for `ROWS` tokens at a time, and again in the backward pass.
    """
    counted = labels != IGNORED
    parts = zip(hidden[counted].split(ROWS), labels[counted].split(ROWS), strict=True)
    losses = [checkpoint(_loss, rows, targets, head, use_reentrant=False) for rows, targets in parts]
    return torch.stack(losses).sum()


def _loss(rows: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    return F.cross_entropy(head(rows).float(), targets, reduction="sum")
