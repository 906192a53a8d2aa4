"""One OpenAI-compatible server: what it serves, what it takes, and one question to it.

Its errors are sorted into those that may pass (`Fault`: ask again), those of one prompt (an overflow, which is an
answer), and those that need the user (`BadInput`).
"""

import asyncio
import itertools
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openai

from longcot.files.errors import BadInput
from longcot.files.paths import shown
from longcot.sampling.requests import OVERFLOW, Completion
from longcot.sampling.server.dialect import EXTRAS, Manner, Prompt, Stops, asked_less, request_body
from longcot.sampling.server.reply import completions, retry_after, said
from longcot.sampling.settings import Sampling, Server

LOG = logging.getLogger(__name__)
CONNECT_S = 30.0  # to connect, and for a list of models
LOAD_S = 600.0  # for an adapter to be loaded on a busy server
CONNECTIONS = 8  # of one client, about
PATHS = {"completions": "/completions", "chat": "/chat/completions"}
NO_ROOM = re.compile(r"context.?(length|window|size)|(prompt|input)[^.]{0,20} too long", re.I)
CONTEXT = re.compile(r"context.?(?:length|window|size)\D{0,40}(\d+)", re.I)


class Fault(Exception):
    """What may pass: an error `status`, or no answer; `unreachable`: no connection. `wait_s`: what Retry-After says."""

    def __init__(
        self, message: str, *, status: int | None = None, unreachable: bool = False, wait_s: float | None = None
    ):
        super().__init__(message)
        self.status, self.unreachable, self.wait_s = status, unreachable, wait_s


class Endpoint:
    """A server at one URL that is asked for one model.

    `adapter` is loaded under the name `model` where the server has not got it yet; `base` is the directory or Hub id
    that is to be served. `key` is sent, and kept out of every message. All methods run in one event loop.
    """

    def __init__(
        self, url: str, model: str, server: Server, *, key: str, base: str, adapter: Path | None, manner: Manner
    ):
        self.url, self.model, self.api, self.timeout_s = url, model, server.api, server.timeout_s
        self.base, self.adapter, self.manner, self._key = base, adapter, manner, key
        # A client looks through all of its connections at each request, so several with a few each are quicker.
        how = {"limits": httpx2.Limits(max_keepalive_connections=None), "verify": httpx2.create_ssl_context()}
        timeout = httpx2.Timeout(server.timeout_s, connect=CONNECT_S)
        self.clients = [
            openai.AsyncOpenAI(
                base_url=url,
                api_key=key,
                max_retries=0,
                timeout=timeout,
                http_client=openai.DefaultAsyncHttpxClient(**how),
            )
            for _ in range(-(-server.concurrency // CONNECTIONS))
        ]
        self._clients = itertools.cycle(self.clients)
        self.context: int | None = None
        self.served: list[str] = []
        self.ready, self.in_flight, self.rest_until = False, 0, 0.0
        self._preparing: asyncio.Task[None] | None = None

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
                    f"{self.url} serves {shown(root)} as {self.model!r}, the study samples {shown(self.base)}; "
                    "start the server with that directory"
                )
        if card.get("owned_by") == "vllm":
            self.manner = replace(self.manner, seeds=not await self._is_on_cpu())
        if self.adapter and self.model not in cards:
            await self._load_adapter()
        self.ready = True

    async def _look_up(self, url: str) -> str:
        """What a server says of itself; nothing where it says nothing."""
        try:
            return await self._call(url, None, min(CONNECT_S, self.timeout_s))
        except openai.APIStatusError:
            return ""
        except Fault as fault:
            if fault.status is None:
                raise
            return ""

    async def _is_on_cpu(self) -> bool:
        """Whether this is vLLM on a CPU, by the size of its cache, which it takes from the environment only there.

        Such a one (0.32) ends with "CPU Generator does not use offset" at a seeded prompt that it takes in pieces.
        """
        metrics = await self._look_up(str(httpx2.URL(self.url).join("/metrics")))
        found = re.search(r'cache_config_info\{[^}]*kv_cache_memory_bytes="\d', metrics) is not None
        if found:
            LOG.warning("%s is vLLM on a CPU: asked without seeds, which it does not bear", self.url)
        return found

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.close() for client in self.clients))

    async def _load_adapter(self) -> None:
        fix = (
            "start vLLM with --enable-lora, a --max-lora-rank that holds it and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True "
            f"in its environment, or --lora-modules {self.model}={self.adapter}"
        )
        body = {"lora_name": self.model, "lora_path": str(self.adapter)}
        try:
            await self._call("/load_lora_adapter", body, LOAD_S)
        except (openai.APIStatusError, Fault) as error:
            what = str(error) if isinstance(error, Fault) else said(error, self._key)
            if isinstance(error, Fault) and "add_lora" not in what:  # with which vLLM says 500 to a rank too large
                raise
            if "already been loaded" not in what:
                raise BadInput(f"{self.url} does not serve the adapter {self.model} ({what}); {fix}") from None

    async def ask(
        self, prompt: Prompt, count: int, seed: int, sampling: Sampling, stops: Stops, context: int | None
    ) -> list[Completion]:
        """Up to `count` responses to a prompt; fewer where the server gives fewer at a time.

        `context` is what the study allows, in tokens. Raises Fault, or BadInput where the user is needed.
        """
        await self.prepare()
        sent = None if prompt.ids is None else len(prompt.ids)
        room = min(filter(None, (context, self.context)), default=None)
        while True:
            manner, limit = self.manner, sampling.max_tokens
            if room and sent is not None:
                limit = min(limit, room - sent)
            if limit <= 0:
                return [Completion("", OVERFLOW, sent, 0)] * count
            n = count if manner.many else 1
            body = request_body(self.api, self.model, prompt, n, seed, sampling, stops, limit, manner)
            try:
                raw = await self._call(PATHS[self.api], body, self.timeout_s)
            except openai.APIStatusError as error:
                what = said(error, self._key)
                if error.status_code not in (400, 413, 422):
                    raise self._not_served(error.status_code, what) from None
                if NO_ROOM.search(what):
                    known = CONTEXT.search(what)
                    if known and sent is not None and 0 < int(known[1]) < (room or int(known[1]) + 1):
                        room = int(known[1])  # it had not said so before; a shorter response may fit
                        continue
                    return [Completion("", OVERFLOW, sent, 0)] * count
                if self.manner == manner:  # else another request has met the same refusal meanwhile
                    self._ask_less(what, n)
                continue
            try:
                found = completions(raw, n, self.api, sent)
            except ValueError as error:
                raise Fault(f"{self.url}: a reply that is not whole ({error})") from None
            if n > 1 and sampling.temperature and len({one.text for one in found}) == 1 and len(found[0].text) > 99:
                found = found[:1]  # a server that seeds each of the n alike
            if len(found) < n:
                self.manner = replace(self.manner, many=False)
            return found

    def _ask_less(self, what: str, n: int) -> None:
        less = asked_less(self.manner, what, n, self.api)
        if less is None:
            raise BadInput(f"{self.url} refuses the request ({what}); mend what it names in the study")
        if less.extras == EXTRAS[-1] != self.manner.extras:
            LOG.warning("%s takes no top_k or repetition_penalty (%s): its own defaults hold", self.url, what)
        self.manner = less

    def _not_served(self, status: int, what: str) -> Exception:
        if self.adapter and status == 404:
            self.ready = False  # a server that was started anew has forgotten the adapter, which prepare() had seen
            return Fault(f"{self.url}: {what}")
        served = f"; it serves {', '.join(self.served[:9])}" if self.served else ""
        fix = "mend the URL, which ends in /v1, or start the server with this name"
        return BadInput(f"{self.url} does not serve {self.model!r} ({what}){served}; {fix}")

    async def _call(self, path: str, body: dict[str, Any] | None, seconds: float) -> str:
        """The text of a reply. Raises Fault, BadInput for a wrong key, or openai.APIStatusError for other refusals.

        The client's own `create` looks at each token of a prompt by itself, milliseconds for a long one; this does not.
        """
        client = next(self._clients)
        call = client.get(path, cast_to=str) if body is None else client.post(path, cast_to=str, body=body)
        try:
            async with asyncio.timeout(seconds):
                return await call
        except (TimeoutError, openai.APITimeoutError):
            raise Fault(f"{self.url}: no reply within {seconds:g} s") from None
        except openai.APIConnectionError as error:
            what = type(error.__cause__ or error).__name__  # its text may hold the key
            unreachable = what in ("ConnectError", "UnsupportedProtocol")
            raise Fault(f"{self.url}: no connection ({what})", unreachable=unreachable) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            what, fix = said(error, self._key), "put the right one into the environment variable that the study names"
            raise BadInput(f"{self.url} refuses the key ({what}); {fix}") from None
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409, 425, 429):
                what, wait_s = said(error, self._key), retry_after(error)
                raise Fault(f"{self.url}: {what}", status=error.status_code, wait_s=wait_s) from None
            raise
