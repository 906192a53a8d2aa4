"""The device that the models of this process are on, and how much of its memory they may have."""

import os

import torch

from longcot.models.cards import SHARE

# What training keeps comes and goes in sizes of its own, as a growing cache does in sampling: without the first, a
# model of 3 million weights held 20 GB of an H100 for batches of 512. The others pin the host's memory at 8 GB/s in
# place of 2.6.
ALLOCATOR = "expandable_segments:True,pinned_use_cuda_host_register:True,pinned_num_register_threads:8"
CONTEXT_GB = 1.0  # what CUDA and its libraries take of a GPU in each process, beside torch's own: 0.8 to 1.0 on an H100


def device() -> str:
    """`cuda` where there is a GPU, else `cpu`. From then on a job that shares its GPU has no more of it than its share.

    Torch's allocator gives back what it holds unused before it takes more than that.
    """
    os.environ.setdefault("PYTORCH_ALLOC_CONF", ALLOCATOR)  # read when the GPU's memory is first asked for
    if not torch.cuda.is_available():
        return "cpu"
    if (jobs := int(os.environ.get(SHARE, "1"))) > 1:
        total = torch.cuda.get_device_properties(0).total_memory / 1e9
        torch.cuda.set_per_process_memory_fraction(max(1 / jobs - CONTEXT_GB / total, 0.0))
    return "cuda"
