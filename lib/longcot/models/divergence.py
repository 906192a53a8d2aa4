"""Where a fine-tuned model parts from its base: both on the same tokens, in one set of weights.

The base is loaded once; its adapter is switched off, whole or in one layer, and on again. Logits exist for `PIECE`
tokens at a time, so that a long trace over a large vocabulary needs no more memory than its last states.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn
from torch.nn import functional as F

from longcot.models.head import head_of

PIECE = 128  # tokens whose logits exist at once: 80 MB in fp32 for a vocabulary of 152,064, in some copies
OUTSIDE, NONE = "outside", "none"  # what of an adapter lies in no layer, as embeddings or the output head; no part
MEASURES = (
    "divergence",
    "base_logprob",
    "adapter_logprob",
    "base_rank",
    "adapter_rank",
    "base_choice",
    "adapter_choice",
)
Off = Callable[[], AbstractContextManager]  # what is switched off while it lasts


def divergence(tuned: Tensor, base: Tensor) -> Tensor:
    """KL(tuned || base) in nats of each row of log-probabilities (rows, vocabulary).

    It is how much likelier, in logarithms, the fine-tuned model's own tokens are to it than to its base, on average.
    """
    return F.kl_div(base, tuned, reduction="none", log_target=True).sum(-1).clamp(min=0)


def adapter_parts(model: PeftModel) -> dict[str, list[nn.Module]]:
    """The modules that hold an adapter by their layer, "0", "1" and so on, what lies in none as `OUTSIDE`."""
    parts: dict[str, list[nn.Module]] = {}
    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            layer = re.search(r"\.(\d+)(?:\.|$)", name)  # the first number of a path; an expert's follows it
            parts.setdefault(layer[1] if layer else OUTSIDE, []).append(module)
    return parts


@contextmanager
def switched_off(modules: Sequence[nn.Module]) -> Iterator[None]:
    """While it lasts these modules of `adapter_parts` compute as the base's do."""
    try:
        for module in modules:
            module.enable_adapters(False)
        yield
    finally:
        for module in modules:
            module.enable_adapters(True)


class _View:
    """The last states of one way of a model on `ids` (1, tokens), and the log-probabilities made of them."""

    def __init__(self, model: PeftModel, ids: Tensor, off: Off):
        self.off, base = off, model.get_base_model()
        with off():
            output = base.get_decoder()(ids, use_cache=False)
        self.states, self.head = output.last_hidden_state[0], head_of(base, output)

    def logprobs(self, part: slice) -> Tensor:
        """(rows, vocabulary) of the token after each of these places."""
        with self.off():
            return self.head(self.states[part]).float().log_softmax(-1)


@torch.inference_mode()
def token_divergence(
    model: PeftModel, ids: Sequence[int], start: int, layers: Sequence[str] = (NONE,), piece: int = PIECE
) -> list[dict[str, Tensor]]:
    """What the model with its adapter and without it make of each token from place `start` (at least 1) on.

    For each of `layers`, of which the part of the adapter is switched off, a dict of `MEASURES` with a number for each
    token; of the whole adapter for `NONE`. `divergence` is of the two distributions of the token at this place, in
    nats; a `rank` and a `logprob` (nats) are of the token that stands there, the first rank being 1; a `choice` is the
    likeliest token.
    """
    whole, parts = torch.tensor([list(ids)], device=model.device), adapter_parts(model) | {NONE: []}
    base = _View(model, whole, model.disable_adapter)
    kept = []
    for layer in layers:
        tuned, pieces = _View(model, whole, partial(switched_off, parts[layer])), []
        for first in range(start - 1, len(ids) - 1, piece):
            part = slice(first, min(first + piece, len(ids) - 1))
            targets = whole[0, part.start + 1 : part.stop + 1, None]
            pieces.append(_measured(base.logprobs(part), tuned.logprobs(part), targets))
        kept.append({name: torch.cat([one[name] for one in pieces]).cpu() for name in MEASURES})
    return kept


def _measured(base: Tensor, tuned: Tensor, targets: Tensor) -> dict[str, Tensor]:
    found = {"divergence": divergence(tuned, base)}
    for name, logprobs in (("base", base), ("adapter", tuned)):
        own = logprobs.gather(1, targets)
        found |= {f"{name}_logprob": own[:, 0], f"{name}_rank": (logprobs > own).sum(-1) + 1}
        found[f"{name}_choice"] = logprobs.argmax(-1)
    return found
