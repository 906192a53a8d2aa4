"""Sampling from two models at once: a base writes, and an adapter on it chooses some of the tokens."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from longcot.files.errors import BadInput
from longcot.files.strict import Strict
from longcot.models.adapter import beside, without_adapter
from longcot.models.divergence import adapter_parts, divergence, switched_off
from longcot.sampling.local import LocalSampler
from longcot.sampling.requests import Completion, Messages
from longcot.sampling.settings import Sampling


class Rule(Strict):
    """When the adapter chooses: never, always, where the two part by more than `bound` nats, or by chance."""

    by: Literal["base", "adapter", "divergence", "chance"]
    share: float  # of the tokens that it is meant to choose
    bound: float = 0.0  # of divergence: nats; of chance: the probability at each token


@dataclass(frozen=True)
class Steered:
    """A response, of how many of its tokens the adapter chose, and how many of these the base would not have drawn."""

    completion: Completion
    chosen: int
    changed: int


def draw(logits: Tensor, temperature: float, top_p: float, u: Tensor) -> Tensor:
    """A token of each row of logits (rows, vocabulary), by `u` (rows), uniform numbers from 0 to 1.

    The same number gives the same token of the same logits: two models that agree then draw alike. `top_p` keeps the
    likeliest tokens whose probabilities sum to it, the one that reaches it included; temperature 0 takes the likeliest.
    """
    if not temperature:
        return logits.argmax(-1)
    chances, tokens = (logits / temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
    reached = chances.cumsum(-1)
    kept = torch.where(reached - chances < top_p, chances, 0).cumsum(-1)
    place = (kept <= u[:, None] * kept[:, -1:]).sum(-1, keepdim=True)
    return tokens.gather(1, place.clamp(max=tokens.shape[1] - 1))[:, 0]


class _Chooser(LogitsProcessor):
    """Puts the drawn token of the one or the other model first.

    The model that generates has its adapter on; its base goes along here, with a cache of its own.
    """

    def __init__(self, model: PeftModel, rule: Rule, sampling: Sampling, mask: Tensor, seed: int):
        self.model, self.rule, self.sampling, self.mask, self.cache = model, rule, sampling, mask, None
        self.numbers = torch.Generator().manual_seed(seed)
        self.chosen: list[Tensor] = []
        self.changed: list[Tensor] = []
        self.parts = [module for part in adapter_parts(model).values() for module in part]
        takes = inspect.signature(model.get_base_model().forward).parameters
        self.takes = [name for name in ("position_ids", "logits_to_keep") if name in takes]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (rows, vocabulary) of the tokens so far, all but one's at minus infinity."""
        base, (u, v) = self._base_logits(input_ids), torch.rand((2, len(scores)), generator=self.numbers)
        scores, u, how = scores.float(), u.to(scores.device), (self.sampling.temperature, self.sampling.top_p)
        if self.rule.by == "divergence":
            by_adapter = divergence(scores.log_softmax(-1), base.log_softmax(-1)) > self.rule.bound
        elif self.rule.by == "chance":
            by_adapter = v.to(scores.device) < self.rule.bound
        else:
            by_adapter = torch.full_like(u, self.rule.by == "adapter", dtype=torch.bool)
        ours, theirs = draw(base, *how, u), draw(scores, *how, u)
        self.chosen.append(by_adapter)
        self.changed.append(by_adapter & (ours != theirs))
        token = torch.where(by_adapter, theirs, ours)[:, None]
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)

    def _base_logits(self, input_ids: Tensor) -> Tensor:
        """The base's logits (rows, vocabulary) of the next token."""
        more = input_ids.shape[1] - self.mask.shape[1]
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(self.mask), more))], 1)
        new = input_ids[:, -more:] if self.cache is not None else input_ids
        places = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
        how = {name: value for name, value in (("position_ids", places), ("logits_to_keep", 1)) if name in self.takes}
        with switched_off(self.parts):  # as disable_adapter does, which takes a quarter of the time
            out = self.model.get_base_model()(
                input_ids=new, attention_mask=self.mask, past_key_values=self.cache, use_cache=True, **how
            )
        self.cache = getattr(out, "past_key_values", None)
        if self.cache is None:
            raise BadInput(
                f"{type(self.model.get_base_model()).__name__}: it has no cache of keys and values, which two models "
                "that write one response need; set shares to []"
            )
        return out.logits[:, -1].float()


class SteeredSampler(LocalSampler):
    """A `LocalSampler` whose adapter stays beside the base, for both to be asked at each token."""

    def use_adapter(self, path: str | Path | None, context: int | None = None) -> None:
        """As `LocalSampler.use_adapter`, but never merged."""
        self.context = min(self._longest, context or self._longest)
        if isinstance(self.model, PeftModel):
            self.base = without_adapter(self.model)
        self.model = beside(self.base, path) if path else self.base

    def steered(self, prompts: Sequence[Messages], rule: Rule, sampling: Sampling, seed: int) -> list[Steered]:
        """One response for each list of chat messages, as `sample` gives them.

        Each place in a response is drawn by a number that depends on the seed, the place and the prompt's number alone:
        the rules differ in who chooses, not in luck.
        """
        self._rule, self._drawn = rule, sampling
        self._chooser: _Chooser | None = None
        greedy = sampling.model_copy(update={"temperature": 0.0})  # the chooser has drawn when generate takes the best
        found, row = [], 0
        for completion in self.sample(prompts, greedy, seed):
            chosen = changed = 0
            if completion.completion_tokens:
                part = slice(completion.completion_tokens)
                chosen, changed = (int(torch.stack(told)[part, row].sum()) for told in self._told())
                row += 1
            found.append(Steered(completion=completion, chosen=chosen, changed=changed))
        return found

    def _told(self) -> tuple[list[Tensor], list[Tensor]]:
        return self._chooser.chosen, self._chooser.changed

    def _generate(self, config: GenerationConfig, seed: int, length: int, **inputs: Tensor) -> Tensor:
        self._chooser = _Chooser(self.model, self._rule, self._drawn, inputs["attention_mask"], seed)
        how = {"generation_config": config, "tokenizer": self.tokenizer, **inputs}
        return self.model.generate(logits_processor=LogitsProcessorList([self._chooser]), **how)
