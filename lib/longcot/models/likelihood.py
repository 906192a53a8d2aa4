"""How likely a model finds each token of a text, and what rank it has among all tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from longcot.models.divergence import PIECE
from longcot.models.head import head_of

RANK_LIMIT = 100  # a rank beyond it counts as this


@torch.inference_mode()
def token_likelihoods(
    model: PreTrainedModel, ids: Sequence[int], start: int, piece: int = PIECE
) -> tuple[Tensor, Tensor]:
    """(log-probability in nats, rank from 1) of each token from place `start` (at least 1) on, given those before it.

    Logits exist for `piece` tokens at a time.
    """
    whole = torch.tensor([list(ids)], device=model.device)
    output = model.get_decoder()(whole, use_cache=False)
    states, head = output.last_hidden_state[0], head_of(model, output)
    logprobs, ranks = [], []
    for first in range(start - 1, len(ids) - 1, piece):
        part = slice(first, min(first + piece, len(ids) - 1))
        every = head(states[part]).float().log_softmax(-1)
        own = every.gather(1, whole[0, part.start + 1 : part.stop + 1, None])
        logprobs.append(own[:, 0].cpu())
        ranks.append(((every > own).sum(-1) + 1).cpu())
    return torch.cat(logprobs), torch.cat(ranks)


def rank_surprisal_ratio(logprobs: Tensor, ranks: Tensor) -> float:
    """The sum of a response's ranks, each at most `RANK_LIMIT`, over the sum of its surprisals in nats.

    Low where tokens surprise the model and yet stand high in its order: what it can learn from and is near to it.
    arXiv 2601.14249.
    """
    return float(ranks.clamp(max=RANK_LIMIT).sum() / -logprobs.double().sum())
