"""Where the servers of an engine go: on which cards of the job, and how much of their memory each takes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.models.cards import Card
from longcot.sampling.engines.command import Served
from longcot.sampling.settings import Engine

# A server of a model so small waits for its own scheduler and not for the GPU, which was busy a fifth of the time with
# one server of 135 million parameters on it (tests/benchmarks/README.md). Its scheduler keeps two cores busy.
SMALL_GB, MOST, CORES_EACH = 1.0, 4, 3
# What a server needs beside weights and cache: context, graphs, a full batch's activations, logits of 262,144 words.
BESIDE_GB = 5.0
# Batches that it has a CUDA graph for, a batch between two being padded to the larger: more would be a longer start,
# and vLLM's own 51 (102 with adapters) end at 512, half of what a server here decodes at once.
GRAPHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024)


@dataclass(frozen=True)
class Place:
    """The cards of a server (none: the CPU), its share of their memory, and its cache where vLLM cannot measure it."""

    cards: tuple[Card, ...] = ()
    share: float = 0.9
    cache_gb: float | None = None

    @property
    def words(self) -> list[str]:
        """What is said of it on the command line."""
        words = ["--tensor-parallel-size", str(len(self.cards))] if len(self.cards) > 1 else []
        words += ["--gpu-memory-utilization", f"{self.share:.4g}"] if self.cards else []
        if not self.cache_gb:
            return words
        words += ["--cudagraph-capture-sizes", *map(str, GRAPHS)]
        return words + ["--kv-cache-memory-bytes", str(int(self.cache_gb * 1e9))]


def places(own: Sequence[Card], engine: Engine, served: Served) -> list[Place]:
    """A place for each server: as many as fit, several on one card for a small model.

    vLLM takes what others begin to use of a card while it starts for its own need; so servers that share one are told
    the size of their cache. Raises BadInput where the cards are too few.
    """
    if not own:
        return [Place()]
    need = Need.of(own, engine, served)
    size = engine.tensor_parallel or need.cards
    if size > len(own):
        raise BadInput(
            f"{display_path(served.path)}: needs {size} GPUs, this job has {len(own)}; give it more, lower the model's "
            "context, or take a smaller model"
        )
    if size == 1 and (each := engine.replicas_per_gpu or need.replicas) > 1:
        share = engine.gpu_memory / each
        cache = share * min(card.total_gb or 0.0 for card in own) - need.weights_gb - BESIDE_GB
        if cache < need.cache_gb:
            raise BadInput(
                f"{display_path(served.path)}: {each} servers on one GPU leave each {max(cache, 0):.1f} GB for its "
                f"cache, a full context takes {need.cache_gb:.1f}; lower engine.replicas_per_gpu or the model's context"
            )
        return [Place((card,), share, cache) for _ in range(each) for card in own]
    groups = [own[start : start + size] for start in range(0, len(own) - size + 1, size)]
    return [Place(tuple(group), engine.gpu_memory) for group in groups]


@dataclass(frozen=True)
class Need:
    """What a server needs: gigabytes of weights and of one full context's cache, cards, and how many share a card."""

    weights_gb: float = 0.0
    cache_gb: float = 0.0
    cards: int = 1
    replicas: int = 1

    @classmethod
    def of(cls, own: Sequence[Card], engine: Engine, served: Served) -> "Need":
        """Reckoned from the model's configuration; one card and one server where the cards' memory is not known."""
        from longcot.models.loading import context_length, load_config
        from longcot.models.sizes import cache_gb, gpus_needed, weights_gb

        sizes = [card.total_gb for card in own]
        if None in sizes:
            return cls()
        config = load_config(served.path, served.revision, served.trust_remote_code)
        weights = weights_gb(config, served.dtype)
        cache = cache_gb(config, served.dtype, served.context or context_length(config) or 0)
        room = engine.gpu_memory * min(sizes)
        # One card is tried as it is: what does not fit, vLLM itself says.
        found = 1 if len(own) == 1 else gpus_needed(config, weights, cache, room) or len(own) + 1
        fit = int(room // (weights + cache + BESIDE_GB))
        cores = len(os.sched_getaffinity(0)) // (CORES_EACH * len(own))
        return cls(weights, cache, found, max(min(MOST, fit, cores), 1) if weights <= SMALL_GB else 1)
