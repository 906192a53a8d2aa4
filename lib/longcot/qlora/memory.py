"""What training will take of a GPU and of the host, before anything is loaded. Gigabytes are 10⁹ bytes.

The peak lies in the backward pass of one layer, in its MLP for short traces and in its attention for long ones, or at
the output head. It is counted tensor by tensor from what `recomputation` and `trainer` hold; tests/benchmarks/README.md
sets it against measured peaks.
"""

import re
from collections import Counter
from typing import Any

import torch
from transformers import PretrainedConfig

from longcot.files.errors import BadInput
from longcot.models.loading import context_length, empty_model
from longcot.models.nf4 import check_quantized
from longcot.models.sizes import BYTES
from longcot.qlora.keeping import ROWS, Plan, Shape, plan
from longcot.qlora.recomputation import knows
from longcot.qlora.room import HELD, HOST, free_gpu, free_host
from longcot.qlora.settings import LoraSettings
from longcot.qlora.target_modules import adapt, check_names

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)  # bytes a weight: 4 bits, an 8-bit scale for 64, a 32-bit one for 256 scales
ADAPTER = 16  # bytes a LoRA weight: itself, its gradient and AdamW's two moments, all in 32 bits
ON_A_CPU = 3e9  # weights: at about 0.1 TFLOP/s one trace of 4,096 tokens then takes a quarter of an hour
PASSED = 1.5  # numbers kept for each that a linear module takes or gives, PEFT's own: TRL's peaks, benchmarks/README.md
OWN = "by the layers' own code: all is kept where it fits, else each layer's input, on the host"
STEP = 256  # tokens: limits are given to this
_RECKONED: dict[tuple[str, str], "_Sizes"] = {}


def training_memory_gb(config: PretrainedConfig, lora: LoraSettings, length: int) -> float:
    """The peak of the GPU's memory in QLoRA on a model of this configuration, longest trace `length` tokens."""
    sizes = _sizes(config, lora)
    return sizes.fixed + sizes.at(length)


def host_memory_gb(config: PretrainedConfig, lora: LoraSettings, length: int) -> float:
    """The host's memory that waits, pinned, for the backward pass: the input of each layer."""
    text = config.get_text_config()
    return text.num_hidden_layers * length * text.hidden_size * BYTES[lora.compute_dtype] / 1e9


def longest_trace(config: PretrainedConfig, lora: LoraSettings, memory_gb: float) -> int:
    """The longest trace in tokens, a multiple of `STEP`, whose training fits into this much memory; 0 if none does."""
    sizes, length = _sizes(config, lora), 0
    most = context_length(config) or lora.max_length
    while sizes.fixed + sizes.at(length + STEP) <= memory_gb and length < most:
        length += STEP
    return length


def _sizes(config: PretrainedConfig, lora: LoraSettings) -> "_Sizes":
    """`_Sizes`, reckoned once: a model of 64 layers takes a second, even an empty one."""
    which = config.to_json_string(use_diff=False), lora.model_dump_json()
    if which not in _RECKONED:
        _RECKONED[which] = _Sizes(config, lora)
    return _RECKONED[which]


class _Sizes:
    """What of the memory does not depend on a trace (`fixed`, GB), and what does (`at`).

    Raises BadInput where the base cannot be had in four bits, and as `check_modules`.
    """

    def __init__(self, config: PretrainedConfig, lora: LoraSettings):
        with torch.device("meta"):
            model = empty_model(config)
            check_quantized(model, config.name_or_path or config.model_type)
            check_names(model, lora.target_modules)
            self.parameters = sum(weights.numel() for weights in model.parameters())
            head = model.get_output_embeddings()
            linears = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head}
            adapter = sum(weights.numel() for weights in adapt(model, lora).parameters() if weights.requires_grad)
        quantized = sum(module.weight.numel() for module in linears.values())
        self.bytes = BYTES[lora.compute_dtype]
        plain = (self.parameters - quantized) * self.bytes  # embeddings, output head, norms, biases
        self.fixed = (quantized * NF4 + plain + adapter * ADAPTER) / 1e9
        self.config = config.get_text_config()
        self.shape = Shape.of(config, lora.rank, self.bytes) if knows(config) else None
        # Where a layer's own code is used: of a layer, the linear modules' inputs and outputs, and its largest weight.
        passed = Counter()
        for name, module in linears.items():
            passed[re.split(r"\.\d+\.", name)[0], *re.findall(r"\.(\d+)\.", name)[:1]] += sum(module.weight.shape)
        self.passed, self.largest = max(passed.values()), max(module.weight.numel() for module in linears.values())

    def at(self, length: int) -> float:
        if self.shape:
            return self.shape.working(length) / 1e9
        width = self.config.hidden_size
        output = min(length, ROWS) * self.config.vocab_size * 16 + length * width * 16
        return max((self.largest + length * (PASSED * self.passed + 6 * width)) * self.bytes, output) / 1e9

    def plan(self, length: int) -> Plan | None:
        """What will be kept of a trace on this machine; None where the layers' own code is used."""
        if self.shape is None:
            return None
        card = free_gpu() / HELD - (self.fixed + self.at(length)) * 1e9
        return plan(self.shape, [length], card, free_host() * HOST)


def check_training(config: PretrainedConfig, lora: LoraSettings, length: int, what: str) -> dict[str, Any]:
    """Whether `what` (an error's first words), longest trace `length` tokens, can be trained here; nothing is loaded.

    Returns `longest` (tokens), `gpu_gb` and `host_gb` (needed), `gpu_free_gb` and `gpu_spare_gb`, what is left of it
    after `HELD` times the need, and `kept`, in words what will be kept in it and on the host (all None without a GPU).
    Raises BadInput where it does not fit, with what to change, for a GPU that cannot compute in the study's type, and
    for a large model without a GPU.
    """
    sizes = _sizes(config, lora)
    row = {
        "longest": length,
        "gpu_gb": round(sizes.fixed + sizes.at(length), 2),
        "host_gb": round(host_memory_gb(config, lora, length), 2),
        "gpu_free_gb": None,
        "gpu_spare_gb": None,
        "kept": None,
    }
    if not torch.cuda.is_available():
        if sizes.parameters > ON_A_CPU:
            base = f"a base of {sizes.parameters / 1e9:.1f} billion weights"
            raise BadInput(f"{what}: {base} and no GPU; train it where one has {row['gpu_gb'] * HELD:.0f} GB free")
        return row
    if lora.compute_dtype == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise BadInput(f"{torch.cuda.get_device_name()} has no bfloat16; set lora.compute_dtype to float16")
    row["gpu_free_gb"] = round(free_gpu() / 1e9, 2)
    row["gpu_spare_gb"] = round(row["gpu_free_gb"] - row["gpu_gb"] * HELD, 2)
    if row["gpu_spare_gb"] < 0:
        raise BadInput(f"{what}: {advice(config, lora, length, row['gpu_free_gb'])}")
    if row["host_gb"] > (free := free_host() / 1e9):
        fits = int(free / row["host_gb"] * length) // STEP * STEP
        raise BadInput(
            f"{what}: a trace of {length} tokens keeps {row['host_gb']:.1f} GB in the host's memory, which has "
            f"{free:.1f} GB free; set lora.max_length to {fits} or less and lora.too_long to drop"
        )
    row["kept"] = found.words() if (found := sizes.plan(length)) else OWN
    return row


def advice(config: PretrainedConfig, lora: LoraSettings, length: int, free: float) -> str:
    """What is needed, what there is, and which parameter to change, in one line."""
    need = training_memory_gb(config, lora, length) * HELD
    words = f"a trace of {length} tokens takes {need:.1f} GB of the GPU to train on, which has {free:.1f} GB free"
    words += f", {need - free:.1f} GB too little" if need > free else ""
    words += f", and {host_memory_gb(config, lora, length):.1f} GB of the host"
    fits = longest_trace(config, lora, free / HELD)
    if not fits:
        return f"{words}; even the shortest does not fit: take a smaller base, or a larger GPU"
    return f"{words}; set lora.max_length to {fits} or less and lora.too_long to drop, or take a smaller base"
