"""How a server is asked: the settings in the dialects of several servers, and asking less of one that refuses some."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from longcot.sampling.requests import Messages
from longcot.sampling.settings import Sampling

EXTRAS = ("vllm", "transformers", "none")  # dialects of the settings that the API itself has not, tried in this order
NAMES = {"top_k", "min_p", "repetition_penalty", "stop_token_ids", "skip_special_tokens", "return_token_ids", "fields"}


@dataclass(frozen=True)
class Prompt:
    """Chat messages, their text in the model's template, and its tokens; None where no tokenizer is at hand."""

    messages: Messages
    text: str | None
    ids: list[int] | None


@dataclass(frozen=True)
class Stops:
    """What ends a turn: strings, and the tokens they are."""

    texts: list[str]
    ids: list[int]


@dataclass(frozen=True)
class Manner:
    """How a server is asked; less is asked of it as it refuses."""

    extras: str = EXTRAS[0]
    ids: bool = True  # the prompt as tokens, or as text
    many: bool = True  # several samples in one request
    seeds: bool = True


def request_body(
    api: Literal["completions", "chat"],
    model: str,
    prompt: Prompt,
    n: int,
    seed: int,
    sampling: Sampling,
    stops: Stops,
    limit: int,
    manner: Manner,
) -> dict[str, Any]:
    """The body of a request for `n` samples of at most `limit` tokens.

    Every setting stands in it, so that no default of a server or of a model's own file holds.
    """
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    body: dict[str, Any] = drawn | {"model": model, "max_tokens": limit}
    body |= {"seed": seed} if manner.seeds else {}
    body |= {"messages": prompt.messages} if api == "chat" else {"prompt": prompt.ids if manner.ids else prompt.text}
    stop_ids = stops.ids or None
    if manner.extras == "transformers":  # it takes no stop strings, having no tokenizer at hand for them, and no n
        own = drawn | {"do_sample": sampling.temperature > 0, "top_k": 0, "repetition_penalty": 1.0}
        own |= {"max_new_tokens": limit, "eos_token_id": stop_ids}
        return body | {"generation_config": json.dumps(own)}
    body |= {"n": n, "frequency_penalty": 0.0, "presence_penalty": 0.0} | ({"stop": stops.texts} if stops.texts else {})
    if manner.extras == "vllm":
        extra = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "skip_special_tokens": True}
        extra |= {"stop_token_ids": stop_ids} if stop_ids else {}
        extra |= {"return_token_ids": True} if n > 1 else {}  # usage is one sum over the samples
        body |= extra
    return body


def asked_less(manner: Manner, said: str, n: int, api: Literal["completions", "chat"]) -> Manner | None:
    """The manner without what a server refuses, by the words of its message, else by what is likeliest.

    None where nothing is left to leave out.
    """
    words = set(re.findall(r"\w+", said))
    step = EXTRAS.index(manner.extras) + 1
    ways = []
    if step < len(EXTRAS):
        ways.append((NAMES | {"generation_config"}, replace(manner, extras=EXTRAS[step])))
    if manner.ids and api == "completions":
        ways.append(({"prompt", "string"}, replace(manner, ids=False)))
    if n > 1:
        ways.append(({"n"}, replace(manner, many=False)))
    return next((less for names, less in ways if names & words), ways[0][1] if ways else None)
