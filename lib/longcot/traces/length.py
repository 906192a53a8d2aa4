"""How long texts are, in one unit for all of a set."""

import functools
from collections.abc import Iterable
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.paths import model_source
from longcot.traces.trace import Trace
from longcot.traces.words import split_words

UNITS = ("tokens", "words", "characters")


class LengthMeasure:
    """How long texts are, in one unit for all of a set.

    `tokens` are those of `tokenizer` (a directory or a Hub id); without one, those that each trace counted when it was
    sampled, and then all traces must be of one model, as models count differently. `words` are those of
    `words.split_words`. Raises BadInput for an unknown unit and a tokenizer that cannot be had.
    """

    def __init__(self, unit: str = "tokens", tokenizer: str = ""):
        if unit not in UNITS:
            raise BadInput(f"length in {unit!r}: the units are {', '.join(UNITS)}")
        if tokenizer and unit != "tokens":
            raise BadInput(f"length in {unit} with a tokenizer; leave it out, or count tokens")
        self.unit, self._tokenizer, self._model = unit, None, None
        if tokenizer:
            self._tokenizer = _tokenizer(tokenizer)

    def of(self, text: str) -> int | None:
        """The length of any text; None in tokens without a tokenizer."""
        if self.unit == "words":
            return len(split_words(text))
        if self.unit == "characters":
            return len(text)
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if self._tokenizer else None

    def of_trace(self, trace: Trace) -> int:
        """The length of a trace's text. Raises BadInput where tokens cannot be told or are another model's."""
        if self.unit != "tokens" or self._tokenizer:
            return self.of(trace.text)
        where = f"problem {trace.problem_id!r}, sample {trace.sample}"
        if trace.completion_tokens is None:
            raise BadInput(f"{where}: no number of tokens is known; give a tokenizer, or count all traces in words")
        if self._model not in (None, trace.model):
            raise BadInput(
                f"{where}: tokens of {trace.model} beside tokens of {self._model}; give one tokenizer for all, or "
                "count words"
            )
        self._model = trace.model
        return trace.completion_tokens


@functools.lru_cache(maxsize=2)
def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model_source(name), trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"tokenizer {name}: cannot be had ({reason}); give a directory that holds it, download it first (hf "
            "download), or count words"
        ) from None


def counted_alike(traces: Iterable[Trace]) -> bool:
    """Whether all traces bring their number of tokens, counted by one model."""
    models = {None if trace.completion_tokens is None else trace.model for trace in traces}
    return len(models) == 1 and None not in models
