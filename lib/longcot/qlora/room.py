"""How much of this machine's memory training may take for what it keeps."""

from pathlib import Path

import psutil
import torch
from torch import nn

from longcot.qlora.keeping import plan, whole
from longcot.qlora.recomputation import Layers

HELD = 1.1  # what torch's allocator holds over what is used: 8% at the longest traces measured
HOST = 0.6  # of the host's free memory: pinned, it cannot be had for anything else
TOGETHER = 2048  # tokens that are worth a pass: with fewer, dequantizing the weights is a large part of it
TRAINED = 12  # bytes a weight that is trained: its gradient and AdamW's two moments, in 32 bits
PINNING = "CUDA error: out of memory"  # of the host's memory, mostly
NO_MEMORY = (PINNING, "ALLOC_FAILED")  # neither that nor cuBLAS raises a class of its own
LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"  # of a job on Slurm, of a container


def free_gpu() -> int:
    """Bytes that this process could have of the GPU: what nobody has, and what its own allocator holds unused."""
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    free, total = torch.cuda.mem_get_info()
    share = torch.cuda.get_per_process_memory_fraction() if torch.cuda.is_initialized() else 1.0
    return min(free, int(total * share) - torch.cuda.memory_reserved()) + unused


def free_host() -> int:
    """Bytes of the host's memory that are free, within what this process's control group may have.

    What torch holds pinned from an earlier training, unused, counts as free.
    """
    pinned = torch.cuda.host_memory_stats() if torch.cuda.is_initialized() else {}
    unused = pinned.get("allocated_bytes.current", 0) - pinned.get("active_bytes.current", 0)
    free = psutil.virtual_memory().available + unused
    try:
        most, taken = (Path(name).read_text().strip() for name in LIMITS)
    except OSError:
        return free
    return free if most == "max" else max(min(free, int(most) - int(taken) + unused), 0)


def trained_bytes(model: nn.Module) -> int:
    """Bytes that come on top of the weights that are trained."""
    return TRAINED * sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def take_room(layers: Layers, model: nn.Module, lengths: list[int]) -> None:
    """Give `layers` the room there is, and how many tokens of several traces are best taken together.

    `lengths` are those of the largest step that can come, longest first. What room they leave goes to weights that stay
    dequantized.
    """
    layers.together = TOGETHER
    if not torch.cuda.is_available():
        return
    layers.card, layers.host = free_gpu() / HELD - trained_bytes(model), free_host() * HOST
    if layers.window and lengths[0] > layers.window:
        layers.together = 0
        return
    layers.together = max(whole(layers.shape, layers.card), min(TOGETHER, lengths[0]))
    tokens = max(min(layers.together, sum(lengths)), lengths[0])
    spare = layers.card - layers.shape.working(tokens) - plan(layers.shape, [tokens], layers.card, 0).card
    layers.keep_weights(min(max(int(spare // layers.shape.weights), 0), layers.shape.layers))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that the GPU's memory, or the host's for it, ran out."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in NO_MEMORY)


def may_be_the_host(error: RuntimeError) -> bool:
    """Whether of the two it may be the host's: torch's own allocator for the GPU says that it is the GPU's."""
    return not isinstance(error, torch.OutOfMemoryError) and PINNING in str(error)
