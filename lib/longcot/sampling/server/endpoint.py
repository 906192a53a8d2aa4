"""One OpenAI-compatible server: what it serves, what it takes, and one question to it.

Its errors are sorted into those that may pass (`Fault`: ask again), those of one prompt (an overflow, which is an
answer), and those that need the user (`BadInput`).
"""

import asyncio
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.sampling.requests import OVERFLOW, Completion
from longcot.sampling.server.connection import CONNECT_S, Connection
from longcot.sampling.server.dialect import Dialect, Prompt, Stops, asked_less, request_body
from longcot.sampling.server.overflow import room_left
from longcot.sampling.server.refusal import Fault, Refusal
from longcot.sampling.server.reply import NoText, completions
from longcot.sampling.server.software import software
from longcot.sampling.settings import Sampling, Server

LOG = logging.getLogger(__name__)
LOAD_S = 600.0  # for an adapter to be loaded on a busy server
NAMING_S = 5.0  # for a server to say what software it is
PATHS = {"completions": "/completions", "chat": "/chat/completions"}
REFUSALS = (400, 413, 422)
OVERFLOWS = (*REFUSALS, 500)  # some servers fall over a long prompt, and say so


class Endpoint:
    """A server at one URL that is asked for one model.

    `adapter` is loaded under the name `model` where the server has not got it yet; `base` is the directory or Hub id
    that is to be served. `key` is sent, and kept out of every message. All methods run in one event loop.
    """

    def __init__(
        self, url: str, model: str, server: Server, *, key: str, base: str, adapter: Path | None, manner: Dialect
    ):
        self.url, self.model, self.api, self.timeout_s = url, model, server.api, server.timeout_s
        self.base, self.adapter, self.manner = base, adapter, manner
        self.connection = Connection(url, key, server.timeout_s, -(-server.concurrency // len(server.urls)))
        self.context: int | None = None
        self.served: list[str] = []
        self.ready, self.in_flight, self.rest_until = False, 0, 0.0
        self._overflown = False  # said once
        self.software: list[str] = []  # by name and version, each that was found at the URL
        self._preparing: asyncio.Task[None] | None = None
        self._naming: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """See what is served, and have the adapter loaded. Raises Fault, or BadInput where the user is needed."""
        if self.ready:
            return
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._prepare())
            self._preparing.add_done_callback(lambda task: task.cancelled() or task.exception())  # all may have gone
        await asyncio.shield(self._preparing)  # one for all requests that wait for it

    async def _prepare(self) -> None:
        try:
            cards = {str(card["id"]): dict(card) for card in json.loads(await self._look_up("/models"))["data"]}
        except (ValueError, LookupError, TypeError):
            cards = {}  # some servers have no list
        self.served = list(cards)
        card = cards.get(self.model, next(iter(cards.values()), {}) if self.adapter else {})
        card = cards.get(str(card.get("parent")), card)  # of an adapter its base's, which vLLM lists first
        length, root = card.get("max_model_len"), card.get("root")
        self.context = length if isinstance(length, int) and length > 0 else None
        if isinstance(root, str) and Path(root).is_dir() and Path(self.base).is_dir():
            if not Path(root).samefile(self.base):
                raise BadInput(
                    f"{self.url} serves {display_path(root)} as {self.model!r}, the study samples "
                    f"{display_path(self.base)}; "
                    "start the server with that directory"
                )
        if card.get("owned_by") == "vllm" and await self._is_on_cpu():
            self.manner = replace(self.manner, without=self.manner.without | {"seed"})
        if self.adapter and self.model not in cards:
            await self._load_adapter()
        self.ready = True
        self._naming = asyncio.create_task(self._name_software(next(iter(cards.values()), {})))

    async def _look_up(self, url: str) -> str:
        """What a server says of itself; nothing where it says nothing."""
        try:
            return (await self.connection.call(url, None, min(CONNECT_S, self.timeout_s))).text
        except Refusal:
            return ""

    async def _name_software(self, card: dict[str, Any]) -> None:
        """See what software the server is, beside the sampling, which must not fail or wait for it."""

        async def ask(path: str) -> httpx2.Response:
            return await self.connection.call(self.url.rstrip("/").removesuffix("/v1") + path, None, NAMING_S)

        name = await software(ask, str(card.get("owned_by") or ""), self.connection.server_header)
        self.software += [name] if name not in self.software else []

    async def _is_on_cpu(self) -> bool:
        """Whether this is vLLM on a CPU, by the size of its cache: there it is set in whole GiB, from the environment.

        On a GPU it is set for servers that share a card (`engines.places`), which is never whole GiB. One on a CPU
        (0.32) ends with "CPU Generator does not use offset" at a seeded prompt that it takes in pieces.
        """
        metrics = await self._look_up(str(httpx2.URL(self.url).join("/metrics")))
        size = re.search(r'cache_config_info\{[^}]*kv_cache_memory_bytes="(\d+)"', metrics)
        found = size is not None and int(size[1]) % 2**30 == 0
        if found:
            LOG.warning("%s is vLLM on a CPU: asked without seeds, which it does not bear", self.url)
        return found

    async def close(self) -> None:
        """Close all connections."""
        if self._naming:
            await asyncio.wait([self._naming], timeout=1.0)
            self._naming.cancel()
        await self.connection.close()

    async def _load_adapter(self) -> None:
        fix = (
            "start vLLM with --enable-lora, a --max-lora-rank that holds it and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True "
            f"in its environment, or --lora-modules {self.model}={self.adapter}"
        )
        body = {"lora_name": self.model, "lora_path": str(self.adapter)}
        try:
            await self.connection.call("/load_lora_adapter", body, LOAD_S)
        except Refusal as refusal:
            if refusal.passes and "add_lora" not in refusal.words:  # with which vLLM says 500 to a rank too large
                raise
            if "already been loaded" not in refusal.words:
                raise BadInput(f"{self.url} does not serve the adapter {self.model} ({refusal.said}); {fix}") from None

    async def ask(
        self, prompt: Prompt, count: int, seed: int, sampling: Sampling, stops: Stops, context: int | None
    ) -> list[Completion]:
        """Up to `count` responses to a prompt; fewer where the server gives fewer at a time.

        `context` is what the study allows, in tokens. Raises Fault, or BadInput where the user is needed.
        """
        await self.prepare()
        sent = None if prompt.ids is None else len(prompt.ids)
        room = min(filter(None, (context, self.context)), default=None)
        limit = sampling.max_tokens if room is None or sent is None else min(sampling.max_tokens, room - sent)
        while limit > 0:
            manner = self.manner
            n = count if manner.many and "n" not in manner.without else 1
            asked = min(limit, manner.longest or limit)
            body = request_body(self.api, self.model, prompt, n, seed, sampling, stops, asked, manner)
            try:
                found = await self._answers(body, n, sent, asked)
            except Refusal as refusal:
                left = 0 if refusal.status == 413 else room_left(refusal.words, sent, asked)
                if left is not None and refusal.status in OVERFLOWS:
                    limit = left  # a shorter response may fit
                    if not left and not self._overflown:
                        LOG.warning("%s: a prompt leaves no room (%s); such are marked", self.url, refusal.said)
                        self._overflown = True
                elif refusal.passes:
                    raise
                elif refusal.status not in REFUSALS:
                    raise self._not_served(refusal) from None
                elif self.manner == manner:  # else another request has met the same refusal meanwhile
                    self._ask_less(refusal, body)
                continue
            if n > 1 and sampling.temperature and len({one.text for one in found}) == 1 and len(found[0].text) > 99:
                found = found[:1]  # a server that seeds each of the n alike
                self.manner = replace(self.manner, many=False)
            return found
        return [Completion("", OVERFLOW, sent, 0)] * count

    async def _answers(self, body: dict[str, Any], n: int, sent: int | None, asked: int) -> list[Completion]:
        """The responses to a request for `n` of at most `asked` tokens, or what the server has in place of them."""
        response = await self.connection.call(PATHS[self.api], body, self.timeout_s)
        try:
            found, given = completions(response.text, n, self.api, sent, asked)
        except ValueError as error:
            if inside := self.connection.inside(response):
                raise inside from None
            lost = isinstance(error, NoText)
            raise Fault(f"{self.url}: a reply that is not whole ({error})", empty=lost) from None
        if given < n:
            self.manner = replace(self.manner, many=False)
        return found

    def _ask_less(self, refusal: Refusal, body: dict[str, Any]) -> None:
        less = asked_less(self.manner, refusal, body, self.api)
        if less is None:
            raise BadInput(
                f"{self.url} refuses the request ({refusal.said}); set what it names to what it takes in the study, or "
                "use another server"
            )
        if less.effect:
            LOG.warning("%s refuses a setting (%s): %s", self.url, refusal.said, less.effect)
        self.manner = less.manner

    def _not_served(self, refusal: Refusal) -> Exception:
        if self.adapter and refusal.status == 404:
            self.ready = False  # a server that was started anew has forgotten the adapter, which prepare() had seen
            return Fault(str(refusal))
        served = f"; it serves {', '.join(self.served[:9])}" if self.served else ""
        fix = "fix the URL, which ends in /v1, or start the server with this name"
        return BadInput(f"{self.url} does not serve {self.model!r} ({refusal.said}){served}; {fix}")
