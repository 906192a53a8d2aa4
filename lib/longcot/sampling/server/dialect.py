"""How a server is asked: the settings in the dialects of several servers, and asking less of one that refuses some."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from longcot.sampling.requests import Messages
from longcot.sampling.server.overflow import longest_response
from longcot.sampling.server.refusal import NOT_TAKEN, Refusal
from longcot.sampling.settings import Sampling

EXTRAS = ("vllm", "transformers", "none")  # dialects of the settings that the API itself has not, tried in this order
NAMES = {"top_k", "min_p", "repetition_penalty", "stop_token_ids", "skip_special_tokens", "return_token_ids", "fields"}
LIMITS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens")  # names of one thing
# The values at which these may be left out: they are the defaults of OpenAI's API, by its reference.
NEUTRAL = {"frequency_penalty": 0, "presence_penalty": 0, "top_p": 1, "temperature": 1}
EFFECTS = {"stop": "its own end of a turn holds", "seed": "what it samples does not repeat", "n": ""}


@dataclass(frozen=True)
class Prompt:
    """Chat messages, their text in the model's template, and its tokens; None where no tokenizer is at hand.

    Both end with what is `given` of the response, which is so many tokens.
    """

    messages: Messages
    text: str | None
    ids: list[int] | None
    given: str = ""
    given_tokens: int = 0


@dataclass(frozen=True)
class Stops:
    """What ends a turn: strings, and the tokens they are."""

    texts: list[str]
    ids: list[int]


@dataclass(frozen=True)
class Dialect:
    """How a server is asked; less is asked of it as it refuses."""

    extras: str = EXTRAS[0]
    ids: bool = True  # the prompt as tokens, or as text
    many: bool = True  # several samples in one request
    limit: str = LIMITS[0]  # the name of the longest response
    longest: int | None = None  # response that it gives, in tokens
    without: frozenset[str] = frozenset()  # parameters that it refuses, and that change nothing or little


class Less(NamedTuple):
    """A manner that asks less, and what comes of it; nothing where it comes to the same."""

    manner: Dialect
    effect: str = ""


def request_body(
    api: Literal["completions", "chat"],
    model: str,
    prompt: Prompt,
    n: int,
    seed: int,
    sampling: Sampling,
    stops: Stops,
    limit: int,
    manner: Dialect,
) -> dict[str, Any]:
    """The body of a request for `n` samples of at most `limit` tokens.

    Every setting stands in it, so that no default of a server or of a model's own file holds.
    """
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    body: dict[str, Any] = drawn | {"model": model, manner.limit: limit, "seed": seed}
    body |= {"messages": prompt.messages} if api == "chat" else {"prompt": prompt.ids if manner.ids else prompt.text}
    stop_ids = stops.ids or None
    if manner.extras == "transformers":  # it takes no stop strings, having no tokenizer at hand for them, and no n
        own = drawn | {"do_sample": sampling.temperature > 0, "top_k": 0, "repetition_penalty": 1.0}
        own |= {"max_new_tokens": limit, "eos_token_id": stop_ids}
        body |= {"generation_config": json.dumps(own)}
    else:
        body |= {"n": n, "frequency_penalty": 0.0, "presence_penalty": 0.0}
        body |= {"stop": stops.texts} if stops.texts else {}
    if manner.extras == "vllm":
        extra = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "skip_special_tokens": True}
        extra |= {"stop_token_ids": stop_ids} if stop_ids else {}
        extra |= {"return_token_ids": True} if n > 1 else {}  # usage is one sum over the samples
        body |= extra
    return {name: value for name, value in body.items() if name not in manner.without}


def asked_less(
    manner: Dialect, refusal: Refusal, body: dict[str, Any], api: Literal["completions", "chat"]
) -> Less | None:
    """What to ask in place of `body`, without what a server refuses: by what it names, else by what is likeliest.

    None where nothing is left to leave out, and for a temperature or a top_p that is not neutral: without it the
    responses would be others.
    """
    step, n, limit = EXTRAS.index(manner.extras) + 1, body.get("n", 1), body[manner.limit]
    likely: list[tuple[set[str], Less]] = []
    if step < len(EXTRAS):
        effect = "" if step + 1 < len(EXTRAS) else "its own top_k and repetition_penalty hold"
        likely.append((NAMES | {"generation_config"}, Less(replace(manner, extras=EXTRAS[step]), effect)))
    if manner.ids and api == "completions":
        likely.append(({"prompt", "string"}, Less(replace(manner, ids=False))))
    if n > 1:
        likely.append(({"n"}, Less(replace(manner, many=False))))
    words = set(re.findall(r"\w+", refusal.words))
    told = refusal.names & {*LIMITS, *NAMES, *body}
    named = told or words
    ways = likely + [({*LIMITS}, less) for less in _limited(manner, refusal, limit, words)]
    neutral = {name for name, value in NEUTRAL.items() if body.get(name) == value}
    gone = [name for name in (*EFFECTS, *NEUTRAL) if name in named and name in {*EFFECTS, *neutral} & body.keys()]
    effects = [EFFECTS.get(name, f"its own {name} holds, as if it were {NEUTRAL.get(name)}") for name in gone]
    ways.append((set(gone), Less(replace(manner, without=manner.without | set(gone)), "; ".join(effects))))
    if found := next((less for names, less in ways if names & named), None):
        return found
    return None if told or words & NEUTRAL.keys() or not likely else likely[0][1]


def _limited(manner: Dialect, refusal: Refusal, limit: int, words: set[str]) -> list[Less]:
    """The way to ask for a shorter response, or for its length by another name; each is gone once."""
    longest = None if manner.longest else longest_response(refusal.words, limit)
    if longest:
        return [Less(replace(manner, longest=longest), f"no response of it is longer than {longest} tokens")]
    later = LIMITS[LIMITS.index(manner.limit) + 1 :]
    name = next((one for one in later if one in words), None)
    if name is None and manner.limit == LIMITS[0] and NOT_TAKEN.search(refusal.words):
        name = LIMITS[1]
    return [Less(replace(manner, limit=name), f"asked for {name} in place of {manner.limit}")] if name else []
