"""Decoding a batch on a CPU: what `generate` gives, to the bit, for less work.

A prompt that several rows have is read once. Rows that have ended leave the batch, and attention reads of the reserved
cache only what is in use. Where this machine's products or its attention would round otherwise then (`same_bits`), the
batch or the cache is taken whole.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import (
    Cache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StaticCache,
    StoppingCriteriaList,
)
from transformers.cache_utils import StaticLayer

from longcot.sampling.same_bits import attention_same_to, products_same, prompts_same, shown

BLOCK = 64  # positions of the cache: what attention reads grows by so many
ROWS = 8, 16  # the batch shrinks by so many, and to no fewer: by the first at which rows keep their bits here


class _Layer(StaticLayer):
    """One layer's keys and values in a buffer of fixed size, of which attention is given what is in use."""

    used = 0  # positions

    def __init__(self, max_cache_len: int, until: int):
        super().__init__(max_cache_len=max_cache_len)
        self.until = until  # positions in use up to which a part of the cache will do

    def _end(self, new: int) -> int:
        """How many positions are looked at when so many come: all for a prompt, which is read once."""
        used = self.used + new
        return shown(used, self.max_cache_len, BLOCK) if new == 1 and used <= self.until else self.max_cache_len

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take in the new positions; returns all keys and values to look at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new, start = key_states.shape[-2], self.used
        end, self.used = self._end(new), start + new
        self.keys[:, :, start : self.used] = key_states
        self.values[:, :, start : self.used] = value_states
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many positions a mask covers, and from which on."""
        return self._end(query_length), 0

    def get_seq_length(self) -> int:
        """The positions in use."""
        return self.used

    def spread(self, rows: Tensor) -> None:
        """Hold these rows, some of them several times."""
        self.keys, self.values = self.keys[rows], self.values[rows]

    def keep(self, rows: Tensor) -> None:
        """Hold these rows alone, in this order; what stays where it is is not copied."""
        moved = rows != torch.arange(len(rows))
        for name in ("keys", "values"):
            buffer = getattr(self, name)
            buffer[: len(rows), :, : self.used][moved] = buffer[rows[moved], :, : self.used]
            setattr(self, name, buffer[: len(rows)])


def reserved_cache(model: PreTrainedModel, length: int) -> Cache | None:
    """A cache of fixed size for `decode`; None for a model of which a layer keeps something else than all positions."""
    layers = StaticCache(model.config, max_cache_len=length).layers
    if any(type(layer) is not StaticLayer for layer in layers):
        return None
    until = attention_same_to(model.config, model.dtype, length, BLOCK)
    return Cache(layers=[_Layer(max_cache_len=length, until=until) for _ in layers])


def shrinks_by(model: PreTrainedModel, batch: int) -> int:
    """By how many rows a batch shrinks when rows have ended: by all of it, so that it stays whole, if need be."""
    return next((rows for rows in ROWS if products_same(model, batch, rows)), batch)


def decode(
    model: PreTrainedModel,
    input_ids: Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **inputs: Any,
) -> Tensor:
    """The loop of `generate(custom_generate=decode)` with a `reserved_cache`: prompts and what follows (batch, length).

    Behind its end a row is padded. A row's random numbers are those of its place in the whole batch.
    """
    batch, pad = len(input_ids), generation_config.pad_token_id
    place, running = torch.arange(batch), torch.ones(batch, dtype=torch.bool)  # of the rows that are computed
    tokens, written = input_ids, [input_ids]
    step = shrinks_by(model, batch)
    while True:
        first = len(written) == 1
        own, of = _prompts(model, tokens, inputs["attention_mask"]) if first else (None, None)
        given = model.prepare_inputs_for_generation(
            tokens if own is None else tokens[own],
            next_sequence_length=None if first else 1,
            is_first_iteration=first,
            **inputs if own is None else _of_rows(inputs, own),
        )
        outputs = model(**given, return_dict=True)
        inputs = model._update_model_kwargs_for_generation(outputs, inputs)
        last = outputs.logits[:, -1]
        if own is not None:
            last = last[of]
            for layer in inputs["past_key_values"].layers:
                layer.spread(of)
        scores = logits_processor(tokens, last.to(torch.float32, copy=True))
        if generation_config.do_sample:
            chances = scores.new_ones(batch, scores.shape[-1])
            chances[place] = scores.softmax(-1)
            drawn = torch.multinomial(chances, 1).squeeze(1)[place]
        else:
            drawn = scores.argmax(-1)
        drawn = torch.where(running, drawn, pad)
        tokens = torch.cat([tokens, drawn[:, None]], -1)
        written.append(input_ids.new_full((batch, 1), pad).index_put_((place,), drawn[:, None]))
        running &= ~stopping_criteria(tokens, None)
        if not running.any():
            return torch.cat(written, -1)
        count = -(-int(running.sum()) // step) * step
        if count < len(place):
            rows = _order(running, count)
            place, running, tokens = place[rows], running[rows], tokens[rows]
            inputs = _of_rows(inputs, rows)
            for layer in inputs["past_key_values"].layers:
                layer.keep(rows)


def _prompts(model: PreTrainedModel, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """A row of each prompt, and which of these each row of the batch has; nothing where all differ or bits would."""
    places: dict[tuple, int] = {}
    of = [places.setdefault(tuple(row), len(places)) for row in torch.cat([tokens, mask], 1).tolist()]
    if len(places) == len(of) or not prompts_same(model, len(places) * tokens.shape[1]):
        return None, None
    return torch.tensor([of.index(place) for place in range(len(places))]), torch.tensor(of)


def _of_rows(inputs: dict[str, Any], rows: Tensor) -> dict[str, Any]:
    """What the model is given, of these rows alone."""
    return {name: value[rows] if isinstance(value, Tensor) else value for name, value in inputs.items()}


def _order(running: Tensor, count: int) -> Tensor:
    """So many rows, all that run among them: the first ones, with those of the others in the place of ended ones."""
    rows = torch.arange(count)
    behind = count + running[count:].nonzero().squeeze(1)
    rows[(~running[:count]).nonzero().squeeze(1)[: len(behind)]] = behind
    return rows
