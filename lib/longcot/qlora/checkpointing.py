"""Training on bases whose layers `recomputation` does not know, with what transformers has for any of them.

Each layer keeps its input, on a GPU's host, and is computed again in the backward pass by its own code. The output head
is the model's own too (`models.head`), on some tokens at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from peft import PeftModel


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
