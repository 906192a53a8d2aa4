"""What a server sends back, taken as untrusted: only what is looked for is read, and its type is checked."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from longcot.sampling.requests import Completion
from longcot.traces.finish_reasons import finish_reason

# Where servers put what a model thought, parted from what it says: the first that holds something counts, since some
# say the same under two names.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thinking_blocks", "reasoning_details")
_PARTS = ("text", "thinking", "reasoning", "summary", "content", "refusal", "value")  # of one, never encrypted `data`
THINK, THOUGHT = "<think>", "</think>"


class NoText(ValueError):
    """A whole reply whose only responses ended of themselves and have no text: it was lost on the way."""


def completions(
    raw: str, n: int, api: Literal["completions", "chat"], prompt_tokens: int | None, limit: int
) -> tuple[list[Completion], int]:
    """(the responses in a reply, 1 to `n`; how many it had). Those without a text are left out: ask again for them.

    `prompt_tokens` None: what the server counted. `limit` is what was asked for, in tokens. `completion_tokens` is None
    where the reply has several responses and not their tokens, since `usage` is a sum. `finish_reason` is None for a
    word that nobody knows. Raises NoText, or ValueError for a reply that is not whole.
    """
    try:
        reply = json.loads(raw)
        usage, choices = reply.get("usage") or {}, reply["choices"][:n]
        if reply.get("error"):
            raise ValueError("an error in it")
        sent = _count(usage.get("prompt_tokens")) if prompt_tokens is None else prompt_tokens
        found = []
        for choice in choices:
            word, tokens = choice["finish_reason"], choice.get("token_ids")
            reason = finish_reason(word)
            if word in (None, "") or reason == "error":  # a server that goes down says "abort", or nothing
                raise ValueError(f"broken off: {json.dumps(word)[:40]}")
            count = usage.get("completion_tokens") if len(choices) == 1 else None
            count = len(tokens) if isinstance(tokens, list) else _count(count)
            if reason is None and count is not None and count >= limit:
                reason = "length"
            said = choice["text"] if api == "completions" else choice["message"].get("content")
            text = message_text(said, choice if api == "completions" else choice["message"], cut=reason == "length")
            blank = not text.strip() and reason in ("stop", None)
            if not blank or (isinstance(said, str) and (api == "completions" or _is_all(text, count))):
                found.append(Completion(text, reason, sent, count))
    except json.JSONDecodeError:
        page = raw.lstrip().startswith("<")
        raise ValueError("a web page; the URL should end in /v1" if page else "no whole JSON") from None
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__} in it") from None
    if not choices:
        raise ValueError("no response in it")
    if not found:
        raise NoText("no text in it")
    return found, len(choices)


def message_text(said: Any, message: dict[str, Any], cut: bool) -> str:
    """What a message says, text or a list of parts, behind what the model thought, put back in front in its tags.

    The tags are not doubled where either has them; they stay open where a response was `cut` before it said anything.
    Raises TypeError for what is no text.
    """
    if not isinstance(said, str | list | dict | None):
        raise TypeError(f"{type(said).__name__} for a text")
    parts = list(_parts(said)) or list(_parts(message.get("refusal")))
    text = "".join(words for words, thought in parts if not thought)
    held = ("".join(words for words, _ in _parts(message.get(key))) for key in _THOUGHTS)
    thoughts = "".join(words for words, thought in parts if thought) or next(filter(None, held), "")
    if thoughts.strip().startswith(THINK):
        thoughts = thoughts.strip().removeprefix(THINK).removesuffix(THOUGHT)
    own = re.match(rf"\s*(?:{THINK}\s*)?{THOUGHT}", text)  # what is left of a block whose thoughts were taken out
    has_them = text.lstrip().startswith(THINK) or (THOUGHT in text and thoughts.strip() in text)
    if thoughts.strip() and (own or not has_them):
        said_after = text[own.end() :] if own else text
        text = THINK + thoughts + (THOUGHT if said_after or not cut else "") + said_after
    # JSON may hold half a surrogate pair, which no file takes.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_all(text: str, count: int | None) -> bool:
    """Whether a blank text is all that a model said: it has a token a character at most, and one that ended it."""
    return count is not None and 1 <= count <= len(text) + 1


def _parts(value: Any, thought: bool = False) -> Iterator[tuple[str, bool]]:
    """(words, whether they are thoughts) of a text, of a part, or of a list of them."""
    if isinstance(value, str):
        yield value, thought
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one, thought)
    elif isinstance(value, dict):
        thought = thought or any(word in str(value.get("type")) for word in ("think", "reason"))
        yield from _parts(next(filter(None, map(value.get, _PARTS)), None), thought)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
