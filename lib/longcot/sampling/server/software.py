"""Which software a server is, in which version: the same model scores differently on two versions of vLLM."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

# (software, where it says its version, under which key, what else only its own answer has)
PLACES = [
    ("sglang", "/server_info", "version", "version"),
    ("sglang", "/get_server_info", "version", "version"),
    ("tgi", "/info", "version", "model_id"),
    ("llama.cpp", "/props", "build_info", "build_info"),
    ("ollama", "/api/version", "version", "version"),
    ("vllm", "/version", "version", "version"),
]
OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp", "library": "ollama"}  # of a model, by its card
_VERSION = re.compile(r"[\w.+-]*\d[\w.+-]*")


async def software(ask: Callable[[str], Awaitable[httpx2.Response]], owner: str, header: str) -> str:
    """The name and version of a server, as `vllm 0.25.0`, or as much of it as it says.

    `ask` gets a path of it; what it raises counts as no answer. `owner` is who owns its models by their list, `header`
    its Server header.
    """
    owner, header = _plain(owner), _plain(header)
    known = OWNERS.get(owner)
    places = [place for place in PLACES if known in (None, place[0])]
    found = await asyncio.gather(*(ask(path) for _, path, _, _ in places), return_exceptions=True)
    for (name, path, key, sign), reply in zip(places, found, strict=True):
        info = {} if isinstance(reply, BaseException) else _object(reply.text)
        version = info.get(key)
        if sign in info and isinstance(version, str) and _VERSION.fullmatch(version[:60]):
            name = owner if path == "/version" and owner and not known else name  # many have a place of this name
            return f"{name} {version[:60]}"
    return known or owner or header or "unknown"


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _plain(text: str) -> str:
    """What a server calls itself, as far as it is plain words."""
    return re.sub(r"[^\w ./()+-]", "", text)[:60].strip()
