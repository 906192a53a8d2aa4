"""Training a small base on a CPU: its layers with the numbers that they compute with, and fewer passes over memory.

A step of a small model on a CPU is bound by memory as much as by products. Losses and gradients are those of
bitsandbytes' and PEFT's own layers; to the bit where the adapter's scale is a power of two, else but for rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType

import bitsandbytes as bnb
import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor, nn
from transformers import PreTrainedModel


@contextmanager
def plain_layers(base: PreTrainedModel) -> Iterator[None]:
    """While this lasts, the layers of a base in NF4 are plain ones: what every product would dequantize, held once."""
    quantized = {name: layer for name, layer in base.named_modules() if isinstance(layer, bnb.nn.Linear4bit)}
    for name, layer in quantized.items():
        base.set_submodule(name, _plain(layer))
    try:
        yield
    finally:
        for name, layer in quantized.items():
            base.set_submodule(name, layer)


def _plain(layer: bnb.nn.Linear4bit) -> nn.Linear:
    with torch.device("meta"):
        plain = nn.Linear(layer.in_features, layer.out_features, bias=False)
    weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    plain.weight, plain.bias = nn.Parameter(weight, requires_grad=False), layer.bias
    return plain


def add_in_one_pass(model: PeftModel) -> None:
    """Let PEFT's plain layers add scale · B A x to the base's output in the product with B itself."""
    for layer in model.modules():
        if type(layer) is Linear and not layer.lora_variant:
            layer.forward = MethodType(_forward, layer)


def _forward(layer: Linear, x: Tensor) -> Tensor:
    (name,) = layer.active_adapters
    base = layer.base_layer(x)
    down, up = layer.lora_A[name](layer.lora_dropout[name](x)), layer.lora_B[name].weight
    return torch.addmm(base.flatten(0, -2), down.flatten(0, -2), up.T, alpha=layer.scaling[name]).view_as(base)
