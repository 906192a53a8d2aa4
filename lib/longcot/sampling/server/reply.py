"""What a server sends back, taken as untrusted: only what is looked for is read, and its type is checked."""

import email.utils
import json
import time
from typing import Any, Literal

import openai

from longcot.sampling.requests import Completion

REASONS = ("stop", "length", "content_filter")
LONGEST_WAIT_S = 600.0  # that a server may ask for


def completions(raw: str, n: int, api: Literal["completions", "chat"], prompt_tokens: int | None) -> list[Completion]:
    """The responses in a reply, 1 to `n`. `prompt_tokens` None: what the server counted.

    `completion_tokens` is None where the reply has several responses and not their tokens, since `usage` is a sum.
    Raises ValueError for a reply that is not whole.
    """
    try:
        reply = json.loads(raw)
        usage, choices = reply.get("usage") or {}, reply["choices"][:n]
        sent = _count(usage.get("prompt_tokens")) if prompt_tokens is None else prompt_tokens
        found = []
        for choice in choices:
            text = choice["text"] if api == "completions" else _message_text(choice["message"])
            reason, tokens = choice["finish_reason"], choice.get("token_ids")
            if not isinstance(text, str) or reason not in REASONS:  # a server that goes down says "abort", or nothing
                raise ValueError("no text or no end")
            count = usage.get("completion_tokens") if len(choices) == 1 else None
            count = len(tokens) if isinstance(tokens, list) else _count(count)
            # JSON may hold half a surrogate pair, which no file takes.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            found.append(Completion(text, reason, sent, count))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__} in it") from None
    if not found:
        raise ValueError("no response in it")
    return found


def _message_text(message: dict[str, Any]) -> str:
    """The text of a chat message; thoughts that a server has parted from it are put back in front, tagged."""
    thoughts = message.get("reasoning") or message.get("reasoning_content")
    return (f"<think>{thoughts}</think>" if thoughts else "") + (message.get("content") or "")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def said(error: openai.APIStatusError, key: str) -> str:
    """What a server says with an error status, in one short line without the key."""
    body = error.body if isinstance(error.body, dict) else {"message": error.body or error.response.reason_phrase}
    words = [error.status_code, body.get("message") or body.get("detail") or body]
    words += [body["code"]] if isinstance(body.get("code"), str) else []
    return " ".join(" ".join(map(str, words)).split()).replace(key, "***")[:400]


def retry_after(error: openai.APIStatusError) -> float | None:
    """The seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3); None without one."""
    given = error.response.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if seconds == seconds else None
