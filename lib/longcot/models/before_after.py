"""What a model says before and after its fine-tune, for a reader to look at."""

from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from longcot.files.rows import json_rows
from longcot.models.adapter import without_adapter
from longcot.models.chat import render, turn_generation_config
from longcot.models.loading import config_stops


@torch.inference_mode()
def before_and_after(
    base_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapter: str | Path,
    training_set: str | Path,
    count: int = 3,
    max_tokens: int = 128,  # the notebook shows 400 characters, and these are all the time that it takes
) -> list[dict[str, str]]:
    """The answers of a 4-bit base to the first `count` problems of a training set, without and with its adapter.

    Greedy, of at most `max_tokens` tokens. Returns `problem, before, after` of each; the base is as it was afterwards.
    """
    asked = [row["messages"][:-1] for _, row in islice(json_rows(training_set), count)]
    texts = [render(tokenizer, messages, add_generation_prompt=True) for messages in asked]
    batch = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
    batch, stops = batch.to(base_model.device), config_stops(base_model.generation_config)
    config = turn_generation_config(tokenizer, stops)
    config.max_new_tokens = max_tokens
    answers = {}
    model = PeftModel.from_pretrained(base_model, str(adapter)).eval()
    try:
        for name, how in (("before", model.disable_adapter()), ("after", nullcontext())):
            with how:
                out = model.generate(**batch, generation_config=config)[:, batch["input_ids"].shape[1] :]
            answers[name] = tokenizer.batch_decode(out, skip_special_tokens=True)
    finally:
        without_adapter(model)
    rows = zip(asked, answers["before"], answers["after"], strict=True)
    return [{"problem": messages[-1]["content"], "before": first, "after": then} for messages, first, then in rows]
