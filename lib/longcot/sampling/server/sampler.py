"""Sampling on OpenAI-compatible servers: one model at one URL or many, kept busy, through their faults."""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, display_path
from longcot.models.adapter import adapter_rank
from longcot.models.chat import ended, further_tokens, opened, reopened, stop_texts, thought_opening, turn_end
from longcot.models.loading import context_length, load_config, load_pretrained_tokenizer, own_stops
from longcot.models.templates import RAW, spoken_as, with_template
from longcot.sampling.engines.command import Served, module_name
from longcot.sampling.requests import OVERFLOW, Completion, Messages, Request
from longcot.sampling.server.background import in_background
from longcot.sampling.server.connection import read_key, url_parts
from longcot.sampling.server.dialect import Dialect, Prompt, Stops
from longcot.sampling.server.dispatch import Dispatch, NoServer
from longcot.sampling.server.endpoint import Endpoint
from longcot.sampling.server.slots import Slots
from longcot.sampling.settings import Sampling, Server
from longcot.traces.trace import Key


def request_seed(seed: int, model: str, adapter: str, key: Key) -> int:
    """The seed of a request from what its first sample belongs to, 31 bits: some servers take no more."""
    digest = hashlib.sha256(json.dumps([seed, model, adapter, *key]).encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


class ServerSampler:
    """Samples a model that servers have under the name `served_as`, all `server.urls` of them at once.

    `base` is the directory or Hub id (at `revision`) of what is served: its tokenizer renders and counts the prompts.
    An `adapter` (a PEFT directory) is asked for as `serve.module_name` has it, and loaded where it is not there yet.
    `context` bounds prompt and response together, in tokens, below what model and server allow; `stops` are texts that
    end a response beside the template's own. `backoff_s` is the
    first wait after a fault, doubled each time. `slots` are shared with others that ask the same servers; none: its
    own, `server.concurrency`. Raises BadInput where the tokenizer is needed and cannot be had,
    for a URL that nothing can be at, and for a key that cannot be sent.
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
        chat_template: str = "",
        stops: Sequence[str] = (),
        backoff_s: float = 2.0,
        slots: Slots | None = None,
    ):
        for url in server.urls:
            url_parts(url)
        self._key = read_key(server.key)
        self._slots = slots or Slots(server.concurrency)
        self.server, self.base, self.adapter, self.backoff_s = server, base, adapter, backoff_s
        self.served_as = module_name(served_as, adapter) if adapter else served_as
        how = {"adapters": {served_as: adapter}, "rank": adapter_rank(adapter)} if adapter else {}
        names = () if adapter else (served_as,)
        # The error with it is kept in a file: from the project's root where it can be.
        ours = Path(base).is_dir() and Path(base).resolve().is_relative_to(ROOT)
        here = display_path(base) if ours else base
        how |= {"revision": revision, "dtype": dtype, "context": context, "trust_remote_code": trust_remote_code}
        self._command = Served(here, names, **how).command(server.urls[0])
        self._served_by: set[str] = set()
        self.tokenizer, longest = tokenizer_at_hand(base, revision, trust_remote_code)
        if self.tokenizer is None and server.api == "completions":
            raise BadInput(
                f"{display_path(base)}: no tokenizer there, which api: completions needs; fix it or use api: chat"
            )
        if server.api == "chat" and chat_template == RAW:
            raise BadInput(
                f"{served_as}: api: chat has the server's chat template; use api: completions for style: raw"
            )
        if server.api == "chat" and chat_template not in ("", "own"):
            raise BadInput(f"{served_as}: api: chat has the server's chat template; use api: completions for another")
        self.spoken = "the server's own" if server.api == "chat" else spoken_as(self.tokenizer, chat_template)
        if server.api == "completions":
            self.tokenizer = with_template(self.tokenizer, chat_template)
        self.context = min(filter(None, (context, longest)), default=None)
        own = self.tokenizer is not None and self.tokenizer.chat_template  # api: chat may have none
        self.stop_texts = [*(stop_texts(self.tokenizer) if own else ()), *stops]
        self._stops = _stops(self.tokenizer, base, revision, stops)

    @property
    def served_by(self) -> list[str]:
        """The software of the servers that were asked so far, by name and version, each once."""
        return sorted(self._served_by)

    def prompt_text(self, messages: Messages) -> str:
        """The prompt as the model sees it; with api `chat` by the template beside its tokenizer, or as JSON."""
        return self._prompt(messages).text or json.dumps(messages, ensure_ascii=False)

    def _prompt(self, messages: Messages) -> Prompt:
        if self.tokenizer is None or (self.server.api == "chat" and not self.tokenizer.chat_template):
            return Prompt(messages, None, None)
        if self.server.api == "chat":
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text, given = opened(self.tokenizer, messages)
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            own = further_tokens(self.tokenizer, text, ids, given) if given else []
            return Prompt(messages, text + given, ids + own, given, len(own))
        return Prompt(messages, text, self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def responses(
        self, requests: Sequence[Request], done: set[Key], sampling: Sampling, *, model: str, adapter: str
    ) -> Iterator[list[tuple[Request, Completion]]]:
        """The responses to requests that are not `done`, as they come, as `sampling.Sampler` has it.

        Raises BadInput at once for what the user must fix (no server, wrong key, model not served); and in the end,
        naming them, for samples that could not be had in `server.retries` further tries. On Ctrl-C or SIGTERM what was
        received is yielded first.
        """
        asked = [request for request in requests if request.key not in done]

        async def ask(endpoint: Endpoint, prompt: Prompt, group: Sequence[Request]) -> list[Completion]:
            seed = request_seed(sampling.seed, model, adapter, group[0].key)
            found = await endpoint.ask(prompt, len(group), seed, sampling, self._stops, self.context)
            return [self._whole(one, prompt) for one in found]

        how = {"slots": self._slots, "retries": self.server.retries, "backoff_s": self.backoff_s}
        dispatch = Dispatch(asked, self._endpoints, self._prompt, ask, **how)
        received: set[Key] = set()
        try:
            for pairs in in_background(dispatch.run):
                received.update(request.key for request, _ in pairs)
                yield pairs
            self._served_by.update(name for endpoint in dispatch.endpoints for name in endpoint.software)
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
        manner = Dialect(many=self.tokenizer is not None)  # without one nobody could count the tokens of each
        how = {"key": self._key, "base": self.base, "adapter": self.adapter, "manner": manner}
        return [Endpoint(url, self.served_as, self.server, **how) for url in self.server.urls]

    def _whole(self, one: Completion, prompt: Prompt) -> Completion:
        """A response with its tokens counted, up to the text that ends a turn, and with what its prompt had of it.

        That is the tag of a thought, and what was given.
        """
        one = replace(one, completion_tokens=self._tokens(one))
        if prompt.given and one.prompt_tokens is not None:
            one = replace(one, prompt_tokens=one.prompt_tokens - prompt.given_tokens)
        given = prompt.given if one.finish_reason != OVERFLOW else ""
        if self.tokenizer is None or not self.tokenizer.chat_template or not (one.text or given):
            return one
        text, stopped = ended(one.text, self.stop_texts)  # some servers take no stop strings
        opening = thought_opening(self.tokenizer)
        whole = reopened(given + text, opening) if opening else given + text
        if given:
            one = replace(one, given_tokens=prompt.given_tokens, given_characters=len(whole) - len(text))
        return replace(one, text=whole, finish_reason="stop" if stopped else one.finish_reason)

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


def tokenizer_at_hand(base: str, revision: str = "", trust_remote_code: bool = False) -> tuple[Any, int | None]:
    """A model's tokenizer and the length of its context, None for what is not at hand."""
    try:
        return _loaded(base, revision, trust_remote_code)
    except BadInput:
        return None, None


@functools.lru_cache(maxsize=1)  # of a large vocabulary it takes seconds, and each arm of a base asks for it
def _loaded(base: str, revision: str, trust_remote_code: bool) -> tuple[Any, int | None]:
    tokenizer = load_pretrained_tokenizer(base, revision, trust_remote_code)
    return tokenizer, context_length(load_config(base, revision, trust_remote_code))


def _stops(tokenizer: Any, base: str, revision: str, own: Sequence[str] = ()) -> Stops:
    """The end of the turn, the EOS and those of the model's own file; the server's own EOS where no tokenizer is."""
    if tokenizer is None:
        return Stops([], [])
    known = [turn_end(tokenizer), tokenizer.eos_token, *tokenizer.convert_ids_to_tokens(own_stops(base, revision))]
    tokens = list(dict.fromkeys(filter(None, known)))
    texts = [*own, *(stop_texts(tokenizer) if tokenizer.chat_template else ()), *tokens]  # api: chat may have none
    return Stops(texts[:4], tokenizer.convert_tokens_to_ids(tokens))  # four strings are what OpenAI's API takes
