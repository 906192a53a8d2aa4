"""Training on bases whose layers `recomputation` does not know, with what transformers has for any of them.

Each layer keeps its input, on a GPU's host, and is computed again in the backward pass by its own code. The output head
is the model's own too, with whatever it does to logits (a cap, a scale, a bias), on some tokens at a time.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel


@contextmanager
def checkpointing(model: PeftModel) -> Iterator[None]:
    """transformers' activation checkpointing while this lasts, where the architecture has it."""
    base = model.get_base_model()
    if not base.supports_gradient_checkpointing:
        yield
        return
    base.activation_checkpointing_enable(offload=base.device.type == "cuda")  # it pins memory, which a CPU has none of
    try:
        yield
    finally:
        base.activation_checkpointing_disable()
        base.disable_input_require_grads()


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
