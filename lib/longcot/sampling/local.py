"""Sampling in process with transformers: one base model in memory, adapters that come and go on it."""

import copy
import hashlib
import json
import logging
from bisect import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from peft import PeftModel
from transformers import GenerationConfig, StaticCache

from longcot.files.errors import BadInput
from longcot.models.adapter import beside, without_adapter
from longcot.models.chat import ended, further_tokens, opened, reopened, stop_ids, stop_texts, thought_opening
from longcot.models.device import device as own_device
from longcot.models.loading import config_stops, context_length, load_model, load_pretrained_tokenizer
from longcot.models.templates import spoken_as, with_template
from longcot.sampling.decoding import decode, reserved_cache
from longcot.sampling.requests import OVERFLOW, Completion, Messages, Request
from longcot.sampling.settings import Sampling
from longcot.traces.trace import Key

LOG = logging.getLogger(__name__)
NO_LIMIT = 2**31  # tokens of the context of a model that has none, as Mamba
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def batch_seed(seed: int, model: str, adapter: str, batch: int, stage: str = "") -> int:
    """The seed of a batch, 63 bits of a SHA-256 of what it belongs to: batches do not share random numbers."""
    digest = hashlib.sha256(json.dumps([seed, model, adapter, batch, *([stage] if stage else [])]).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


class LocalSampler:
    """Samples a model directory (or Hub id, at a revision) on the CPU or one GPU.

    `dtype` is the precision of the weights, whatever the checkpoint has. `device` defaults to the GPU where there is
    one. `threads` sets torch's CPU threads for this process: responses repeat to the bit for the same count only.
    `context` bounds prompt and response together, in tokens, where the model's own bound is not to be used up. Raises
    BadInput as `pretrained.load_model` does.
    """

    def __init__(
        self,
        model_path: str | Path,
        dtype: str = "float32",
        device: str | None = None,
        threads: int | None = None,
        revision: str = "",
        context: int | None = None,
        trust_remote_code: bool = False,
    ):
        if threads:
            torch.set_num_threads(threads)
        if dtype not in DTYPES:
            raise BadInput(f"dtype {dtype!r} is not known; use one of {', '.join(DTYPES)}")
        self.device = torch.device(device or own_device())
        base = load_model(model_path, revision, trust_remote_code, dtype=DTYPES[dtype])
        self._tokenizer = load_pretrained_tokenizer(model_path, revision, trust_remote_code, padding_side="left")
        self._own_stops = config_stops(base.generation_config)
        self.use_template("")
        # generate() fills what a call leaves open from here, and a model's own file may hide a top_k or a penalty.
        base.generation_config = GenerationConfig()
        self.base = base.to(self.device).eval()
        self.context = self._longest = min(filter(None, (context, context_length(base.config))), default=NO_LIMIT)
        self.model = self.base
        # On a CPU the growing cache spends its time on copies; one of fixed size does not (tests/benchmarks/README.md).
        # On a GPU it would only cost memory.
        self._fixed_cache = self.device.type == "cpu"

    def use_template(self, choice: str, stops: Sequence[str] = ()) -> None:
        """Speak to the model in the chat template of a study's `prompt.chat_template` from now on.

        `stops` are texts that end a response beside the template's own.
        """
        self.tokenizer, self.spoken = with_template(self._tokenizer, choice), spoken_as(self._tokenizer, choice)
        self.stops, self.stop_texts = stop_ids(self.tokenizer, self._own_stops), stop_texts(self.tokenizer)
        self.stop_texts = [*self.stop_texts, *stops]

    def use_adapter(self, path: str | Path | None, context: int | None = None) -> None:
        """Sample with the PEFT adapter in this directory from now on, or with the base alone (None).

        `context` bounds prompt and response together, in tokens, below what the sampler was made with.
        On float32 weights the adapter is merged into a copy of the base: faster, and the rounding is negligible. On
        16-bit weights it stays beside the base, since rounding the sum to 16 bits would change the base. Raises
        BadInput where the directory holds no adapter or one for another base.
        """
        self.context = min(self._longest, context or self._longest)
        if isinstance(self.model, PeftModel):
            self.base = without_adapter(self.model)
        self.model = self.base
        if path is None:
            return
        merge = self.base.dtype == torch.float32
        model = beside(copy.deepcopy(self.base) if merge else self.base, path)
        self.model = (model.merge_and_unload() if merge else model).eval()

    def responses(
        self, requests: Sequence[Request], done: set[Key], sampling: Sampling, *, model: str, adapter: str
    ) -> Iterator[list[tuple[Request, Completion]]]:
        """The responses to requests that are not `done`, batch by batch, as `sampling.Sampler` has it.

        The requests lie in fixed batches, each with its own seed. A batch that is done in part is sampled again whole,
        so a run that was cut and goes on gives the same file byte for byte.
        """
        for number, start in enumerate(range(0, len(requests), sampling.batch_size)):
            batch = requests[start : start + sampling.batch_size]
            if all(one.key in done for one in batch):
                continue
            seed = batch_seed(sampling.seed, model, adapter, number, batch[0].stage)
            yield list(zip(batch, self.sample([one.messages for one in batch], sampling, seed), strict=True))

    def prompt_text(self, messages: Messages) -> str:
        """The prompt as the model sees it, with what is given of the response."""
        return "".join(opened(self.tokenizer, messages))

    def _tokens(self, messages: Messages) -> tuple[list[int], list[int]]:
        """The tokens of the prompt, and of what is given of the response."""
        prompt, given = opened(self.tokenizer, messages)
        ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        return ids, further_tokens(self.tokenizer, prompt, ids, given) if given else []

    def sample(self, prompts: Sequence[Messages], sampling: Sampling, seed: int) -> list[Completion]:
        """One response for each list of chat messages; the batch runs as one, left-padded, until its last one ends.

        Stops on the turn's end, the EOS and where the model's own file says so. Where the prompt opened a thought, its
        tag stands before the response. What the assistant says last in a prompt begins the response. A response that
        reaches `max_tokens` or the end of the context has the finish reason "length". A prompt that fills the context
        alone is left out of the batch and has "overflow".
        """
        every = [self._tokens(one) for one in prompts]
        rows = [(prompt, given) for prompt, given in every if len(prompt) + len(given) < self.context]
        whole, given = [prompt + given for prompt, given in rows], [len(given) for _, given in rows]
        sampled = iter(self.sample_tokens(whole, sampling, seed, given) if rows else [])
        return [
            next(sampled) if len(prompt) + len(given) < self.context else Completion("", OVERFLOW, len(prompt), 0)
            for prompt, given in every
        ]

    @torch.inference_mode()
    def sample_tokens(
        self, rows: list[list[int]], sampling: Sampling, seed: int, given: Sequence[int] = ()
    ) -> list[Completion]:
        """One response for each prompt, given as tokens and shorter than the context, as `sample` does it.

        The last `given` tokens of each, where said, begin its response.
        """
        room = [min(sampling.max_tokens, self.context - len(row)) for row in rows]
        width, new = max(map(len, rows)), max(room)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.stops[0]
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device)
        draw = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        config = GenerationConfig(
            max_new_tokens=new,
            eos_token_id=self.stops,
            pad_token_id=pad,
            repetition_penalty=1.0,
            stop_strings=self.stop_texts or None,
            **(draw if sampling.temperature else {"do_sample": False}),
        )
        out = self._generate(config, seed, width + new, input_ids=ids, attention_mask=mask)
        return [
            self._completion(row, tokens[width:].tolist(), limit, count)
            for row, tokens, limit, count in zip(rows, out, room, given or [0] * len(rows), strict=True)
        ]

    def _generate(self, config: GenerationConfig, seed: int, length: int, **inputs: torch.Tensor) -> torch.Tensor:
        """What `generate` gives; with a cache for `length` tokens, or with the model's own where it takes no such one.

        The cache is made anew for each batch, so that no batch depends on an earlier one.
        """
        how = {"generation_config": config, "tokenizer": self.tokenizer, **inputs}
        if self._fixed_cache:
            try:
                torch.manual_seed(seed)
                if cache := reserved_cache(self.model, length):
                    return self.model.generate(past_key_values=cache, custom_generate=decode, **how)
                cache = StaticCache(self.model.config, max_cache_len=length)
                return self.model.generate(past_key_values=cache, **how)
            except Exception as error:  # each architecture has its own; what has another cause comes again below
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                LOG.info("%s takes no cache of fixed size (%s): its own is used", type(self.base).__name__, reason)
                self._fixed_cache = False
        torch.manual_seed(seed)
        return self.model.generate(**how)

    def _completion(self, prompt: list[int], tokens: list[int], limit: int, given: int = 0) -> Completion:
        """The response up to its first stop within `limit`, a token or a text; what follows it is padding.

        It begins with the last `given` tokens of the prompt.
        """
        prompt, before = prompt[: len(prompt) - given], prompt[len(prompt) - given :]

        def decoded(count: int) -> str:
            return self.tokenizer.decode([*before, *tokens[:count]], skip_special_tokens=True)

        length = next((n for n, token in enumerate(tokens[:limit], 1) if token in self.stops), None)
        tokens = tokens[: length or limit]
        text, stopped = ended(decoded(len(tokens)), self.stop_texts)
        if stopped:  # of the tokens those are counted that are needed for the text which ends it

            def holds(count: int) -> bool:
                return ended(decoded(count), self.stop_texts)[1]

            length = bisect(range(1, len(tokens)), False, key=holds) + 1
        opening = thought_opening(self.tokenizer)
        whole = reopened(text, opening) if opening else text
        characters = len(whole) - len(text) + len(decoded(0)) if given else 0
        counts = len(prompt), length or len(tokens), given, characters
        return Completion(whole, "stop" if length else "length", *counts)
