"""An error that a server sends, with its status or inside a 200: its words, in one line, and what they mean."""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 400  # characters of a server's words that are said
DEEPEST = 8  # levels of an error's body at which its words are looked for
LONGEST_WAIT_S = 600.0  # that a server may ask for
_SAYING = ("message", "msg", "detail", "details", "error", "errors", "error_description", "metadata", "raw", "cause")
# That a server does not know a parameter, or does not take it.
NOT_TAKEN = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unexpected|unknown|not (?:permitted|allowed|accepted)|deprecated"
    r"|no longer|extra_forbidden|use \W?\w+\W? instead",
    re.I,
)
_TAG = re.compile(r"<(?:style|script|head\b).*?</(?:style|script|head)>|<[^>]*>", re.I | re.S)
# What an error inside a 200 would have had as its status (RFC 9110), by its words, where it has no number of its own.
_STATUS = [
    (402, r"insufficient.{0,9}(?:credit|balance|fund|quota)|payment required"),
    (429, r"rate.?limit|too many requests|quota|overloaded|capacity|exhausted|throttl|try again"),
    (401, r"api.?key|unauthori[sz]ed|authentication"),
    (404, r"model.{0,60}(?:not found|not exist)|no such model|model_not_found"),
    (400, r"invalid|bad.?request|validation|unsupported|unrecogni[sz]ed|unexpected|not (?:supported|permitted)"),
    (400, r"context.{0,9}(?:length|window|size)|prompt|input|max_\w*tokens|too (?:long|large)"),
]


class Fault(Exception):
    """What may pass: an error `status`, or no answer. `wait_s`: what Retry-After says.

    `unreachable`: no connection, by `cause` where it is known and is not just that nothing listens. `empty`: an answer
    without a text.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        unreachable: bool = False,
        cause: str = "",
        wait_s: float | None = None,
        empty: bool = False,
    ):
        super().__init__(message)
        self.status, self.unreachable, self.cause, self.wait_s, self.empty = status, unreachable, cause, wait_s, empty


class Refusal(Fault):
    """An error reply. Its `words` are untrusted and may hold the key: they are searched; `said` is what may be shown.

    `names` are the parameters that the reply names as such; `passes` says whether the same request may do later.
    """

    def __init__(self, url: str, status: int, body: Any, key: str, wait_s: float | None = None):
        self.words = " ".join(" ".join(_words(body)).split()) or (json.dumps(body) if body else "")
        self.names = {part for name in _names(body) for part in re.findall(r"\w+", name)}
        said = without_key(f"{status} {self.words}", key)[:LONGEST].strip()
        self.said = "".join(one if one.isprintable() else "?" for one in said)  # no escape sequence of a terminal
        super().__init__(f"{url}: {self.said}", status=status, wait_s=wait_s)
        # TGI says 424 where a generation failed.
        self.passes = status >= 500 or status in (408, 409, 424, 425, 429)


def body_of(raw: str) -> Any:
    """What an error reply's text holds: JSON, or the text itself, of a page of HTML only what is read."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return _TAG.sub(" ", raw) if "<" in raw else raw


def error_inside(raw: str) -> tuple[int, Any] | None:
    """(status, body) of an error in the reply of a request that a server calls well; None where there is none."""
    reply = body_of(raw)
    if not isinstance(reply, dict):
        return None
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if error := reply.get("error") or first.get("error"):
        body = {"error": error}
    elif reply.get("object") == "error" or (not choices and any(reply.get(key) for key in _SAYING)):
        body = reply
    else:
        return None
    error = error if isinstance(error, dict) else {}
    for value in (one.get(key) for one in (error, reply) for key in ("code", "status", "status_code")):
        if re.fullmatch(r"[45]\d\d", str(value)):
            return int(str(value)), body
    words = " ".join([*_words(body), str(error.get("type") or reply.get("type") or "")])
    other = 400 if any(_names(body)) else 500
    return next((status for status, pattern in _STATUS if re.search(pattern, words, re.I)), other), body


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3); None without one."""
    given = headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if seconds == seconds else None


def without_key(text: str, key: str) -> str:
    """A text with *** in place of the key; a short one (`none`, `x`) is looked for as a word, not within words."""
    found = re.escape(key) if len(key) >= 8 else rf"(?<!\w){re.escape(key)}(?!\w)"
    return re.sub(found, "***", text) if key else text


def _words(body: Any, depth: int = 0) -> Iterator[str]:
    """What an error says, by the keys under which servers put it; not what they echo of the request."""
    if depth > DEEPEST:
        return
    if isinstance(body, str):
        yield body
    elif isinstance(body, list):
        for one in body[:9]:
            yield from _words(one, depth + 1)
    elif isinstance(body, dict):
        field = body.get("loc")  # that a validation refuses, as FastAPI puts it
        if isinstance(field, list):
            yield ".".join(map(str, field)) + ":"
        for key in _SAYING:
            yield from _words(body.get(key), depth + 1)
        kind = body.get("type") if isinstance(field, list) else body.get("code")
        if isinstance(kind, str):
            yield kind + (";" if field else "")


def _names(body: Any, depth: int = 0) -> Iterator[str]:
    """The parameters that an error names in a field of their own."""
    if depth > DEEPEST:
        return
    if isinstance(body, list):
        for one in body[:9]:
            yield from _names(one, depth + 1)
    elif isinstance(body, dict):
        if isinstance(body.get("param"), str):
            yield body["param"]
        if isinstance(body.get("loc"), list):
            yield from (one for one in body["loc"] if isinstance(one, str))
        for key in ("error", "detail", "message"):
            yield from _names(body.get(key), depth + 1)
