"""A model's own output head, with whatever it does to logits (a cap, a scale, a bias), on some tokens at a time."""

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel


def head_of(base: PreTrainedModel, output: Any) -> Callable[[Tensor], Tensor]:
    """A function from last states (tokens, width) to logits (tokens, vocabulary): what the model itself makes of them.

    `output` is what its decoder gave; the forward is called with a decoder that gives it again, with other last states.
    """
    decoder = base.get_decoder()

    def logits(rows: Tensor) -> Tensor:
        given = copy.copy(output)
        given["last_hidden_state"] = rows[None]
        decoder.forward = lambda *_, **__: given
        training = {module: module.training for module in (base, base.base_model)}
        try:
            for module in training:
                module.training = False  # a base that also sees wants its inputs marked when it is trained
            return base(input_ids=rows.new_zeros((1, len(rows)), dtype=int), use_cache=False).logits[0]
        finally:
            del decoder.forward
            for module, was in training.items():
                module.training = was

    return logits
