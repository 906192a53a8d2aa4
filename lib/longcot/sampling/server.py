"""Sampling on OpenAI-compatible servers: one model at one URL or many, kept busy, through their faults."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from longcot.errors import BadInput
from longcot.files import ROOT, shown
from longcot.pretrained import context_length, load_config, load_pretrained_tokenizer
from longcot.prompts import render, turn_end
from longcot.qlora.adapter import adapter_rank
from longcot.sampling import Completion, Messages, Request
from longcot.sampling.background import in_background
from longcot.sampling.dialect import Manner, Prompt, Stops
from longcot.sampling.dispatch import Dispatch, NoServer
from longcot.sampling.endpoint import Endpoint
from longcot.sampling.serve import module_name, serve_command
from longcot.settings import Sampling, Server
from longcot.traces import Key


def request_seed(seed: int, model: str, adapter: str, key: Key) -> int:
    """The seed of a request from what its first sample belongs to, 31 bits: some servers take no more."""
    digest = hashlib.sha256(json.dumps([seed, model, adapter, *key]).encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


class ServerSampler:
    """Samples a model that servers have under the name `served_as`, all `server.urls` of them at once.

    `base` is the directory or Hub id (at `revision`) of what is served: its tokenizer renders and counts the prompts.
    An `adapter` (a PEFT directory) is asked for as `serve.module_name` has it, and loaded where it is not there yet.
    `context` bounds prompt and response together, in tokens, below what model and server allow. `backoff_s` is the
    first wait after a fault, doubled each time. Raises BadInput where the tokenizer is needed and cannot be had.
    """

    def __init__(
        self,
        server: Server,
        served_as: str,
        base: str,
        dtype: str = "bfloat16",
        *,
        revision: str = "",
        adapter: Path | None = None,
        context: int | None = None,
        trust_remote_code: bool = False,
        backoff_s: float = 2.0,
    ):
        self.server, self.base, self.adapter, self.backoff_s = server, base, adapter, backoff_s
        self.served_as = module_name(served_as, adapter) if adapter else served_as
        how = {"adapters": {served_as: adapter}, "rank": adapter_rank(adapter)} if adapter else {}
        names = [] if adapter else [served_as]
        # The error with it is kept in a file: from the project's root where it can be.
        ours = Path(base).is_dir() and Path(base).resolve().is_relative_to(ROOT)
        here = shown(base) if ours else base
        how |= {"revision": revision, "dtype": dtype, "context": context, "url": server.urls[0]}
        how |= {"trust_remote_code": trust_remote_code}
        self._command = serve_command(here, names, **how)
        self._key = os.environ.get(server.key, "").strip() or "EMPTY"
        self.tokenizer, longest = _tokenizer(base, revision, trust_remote_code)
        if self.tokenizer is None and server.api == "completions":
            raise BadInput(f"{shown(base)}: no tokenizer there, which api: completions needs; mend it or use api: chat")
        self.context = min(filter(None, (context, longest)), default=None)
        self._stops = _stops(self.tokenizer, base, revision)

    def prompt_text(self, messages: Messages) -> str:
        """The prompt as the model sees it; with api `chat` by the template beside its tokenizer, or as JSON."""
        return self._prompt(messages).text or json.dumps(messages, ensure_ascii=False)

    def _prompt(self, messages: Messages) -> Prompt:
        if self.tokenizer is None or (self.server.api == "chat" and not self.tokenizer.chat_template):
            return Prompt(messages, None, None)
        if self.server.api == "chat":
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text = render(self.tokenizer, messages, add_generation_prompt=True)
        return Prompt(messages, text, self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def responses(
        self, requests: Sequence[Request], done: set[Key], sampling: Sampling, *, model: str, adapter: str
    ) -> Iterator[list[tuple[Request, Completion]]]:
        """The responses to requests that are not `done`, as they come, as `sampling.Sampler` has it.

        Raises BadInput at once for what the user must mend (no server, wrong key, model not served); and in the end,
        naming them, for samples that could not be had in `server.retries` further tries. On Ctrl-C or SIGTERM what was
        received is yielded first.
        """
        asked = [request for request in requests if request.key not in done]

        async def ask(endpoint: Endpoint, prompt: Prompt, group: Sequence[Request]) -> list[Completion]:
            seed = request_seed(sampling.seed, model, adapter, group[0].key)
            found = await endpoint.ask(prompt, len(group), seed, sampling, self._stops, self.context)
            return [replace(one, completion_tokens=self._tokens(one)) for one in found]

        how = {"concurrency": self.server.concurrency, "retries": self.server.retries, "backoff_s": self.backoff_s}
        dispatch = Dispatch(asked, self._endpoints, self._prompt, ask, **how)
        received: set[Key] = set()
        try:
            for pairs in in_background(dispatch.run):
                received.update(request.key for request, _ in pairs)
                yield pairs
        except BadInput as error:
            start = f"; start one, for example with: {self._command}" if isinstance(error, NoServer) else ""
            raise BadInput(f"{error}{start}; {_missing(requests, asked, received)}") from None
        if len(received) < len(asked):
            raise BadInput(
                f"{self.served_as}: after {self.server.retries + 1} tries each, the last fault {dispatch.last_fault}, "
                f"{_missing(requests, asked, received)}; see to the server and run again: only these are asked for"
            )

    def _endpoints(self) -> list[Endpoint]:
        """The servers, made in the event loop that asks them."""
        manner = Manner(many=self.tokenizer is not None)  # without one nobody could count the tokens of each
        how = {"key": self._key, "base": self.base, "adapter": self.adapter, "manner": manner}
        return [Endpoint(url, self.served_as, self.server, **how) for url in self.server.urls]

    def _tokens(self, one: Completion) -> int | None:
        """A response's tokens, counted here where the server did not say how many each of several has."""
        if one.completion_tokens is not None or self.tokenizer is None:
            return one.completion_tokens
        return len(self.tokenizer(one.text, add_special_tokens=False)["input_ids"]) + (one.finish_reason == "stop")


def _missing(requests: Sequence[Request], asked: Sequence[Request], received: set[Key]) -> str:
    """How many samples are missing, and the first of them by name."""
    keys = [request.key for request in asked if request.key not in received]
    named = ", ".join(f"{problem} sample {sample} {stage}".strip() for problem, sample, stage in keys[:3])
    return f"{len(keys)} of {len(requests)} samples are missing ({named}{', …' if len(keys) > 3 else ''})"


def _tokenizer(base: str, revision: str, trust_remote_code: bool) -> tuple[Any, int | None]:
    """A model's tokenizer and the length of its context, None for what is not at hand."""
    try:
        tokenizer = load_pretrained_tokenizer(base, revision, trust_remote_code)
        config = load_config(base, revision, trust_remote_code)
    except BadInput:
        return None, None
    return tokenizer, context_length(config)


def _stops(tokenizer: Any, base: str, revision: str) -> Stops:
    """The end of the turn, the EOS and those of the model's own file; the server's own EOS where no tokenizer is."""
    from transformers import GenerationConfig

    if tokenizer is None:
        return Stops([], [])
    try:
        own = GenerationConfig.from_pretrained(base, revision=revision or "main").eos_token_id
    except OSError:
        own = None
    known = [turn_end(tokenizer), tokenizer.eos_token]
    known += tokenizer.convert_ids_to_tokens(own if isinstance(own, list) else [] if own is None else [own])
    texts = list(dict.fromkeys(filter(None, known)))
    return Stops(texts[:4], tokenizer.convert_tokens_to_ids(texts))  # four strings are what OpenAI's API takes
