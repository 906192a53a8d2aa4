"""Which tokens of a response are learnt where a study says so: by place, by behaviour, or the answer alone."""

from typing import TYPE_CHECKING

from longcot.files.errors import BadInput
from longcot.grading.extraction import answer_place
from longcot.qlora.settings import Loss
from longcot.traces.behaviours import behaviour_spans

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Place = tuple[int, int]  # first character, and the one after the last


def learnt(
    loss: Loss, tokenizer: "PreTrainedTokenizerBase", before: str, response: str, end: str, tokens: list[int]
) -> list[bool]:
    """For each of a response's `tokens` whether it is learnt.

    `before` is the text that it follows, `end` the text that ends its turn, in which nothing is looked for. A token is
    marked by a place that it shares a character with. Raises BadInput where places of tokens cannot be had.
    """
    if loss.first or loss.after:
        return [place < loss.first if loss.first else place >= loss.after for place in range(len(tokens))]
    marked = _marked(loss.only or loss.but, response.removesuffix(end))
    places = _places(tokenizer, before, response, tokens) if marked else [(0, 0)] * len(tokens)
    found = [any(start < stop_ and stop > start_ for start_, stop_ in marked) for start, stop in places]
    return found if loss.only else [not one for one in found]


def _marked(mark: str, text: str) -> list[Place]:
    """Where a behaviour's rules match a text, or where its answer stands."""
    if mark == "answer":
        return [place] if (place := answer_place(text)) else []
    return [(span.start, span.end) for span in behaviour_spans(text) if span.behaviour == mark]


def _places(tokenizer: "PreTrainedTokenizerBase", before: str, text: str, tokens: list[int]) -> list[Place]:
    """The characters of `text` that each token stands for; a token may have been made of the text or of all before."""
    for given in ("", before) if tokenizer.is_fast else ():
        found = tokenizer(given + text, add_special_tokens=False, return_offsets_mapping=True)
        if found["input_ids"][-len(tokens) :] == tokens and (given or len(found["input_ids"]) == len(tokens)):
            own = found["offset_mapping"][-len(tokens) :]
            return [(max(start - len(given), 0), max(stop - len(given), 0)) for start, stop in own]
    raise BadInput("its tokenizer does not say where tokens stand in the text; use loss.first or loss.after")
