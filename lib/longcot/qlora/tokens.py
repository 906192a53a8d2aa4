"""What a model learns from: conversations as tokens, and which of them it learns."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from longcot.files.errors import BadInput
from longcot.files.paths import shown
from longcot.files.rows import json_rows
from longcot.models.chat import render, turn_end
from longcot.qlora.trainer import IGNORED


def tokenize(
    messages: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None
) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of a conversation, labels `IGNORED` but on what the assistant says.

    Each assistant's turn counts up to and with the token that ends it; after the last one nothing follows. The prompt
    is tokenized apart from the response, as it is when sampling. Raises BadInput where it is longer than `max_length`,
    where no assistant speaks, or where the template does not end a turn.
    """
    end, ids, labels, seen = turn_end(tokenizer), [], [], 0
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = render(tokenizer, messages[:number], add_generation_prompt=True)
        whole = render(tokenizer, messages[: number + 1], add_generation_prompt=False)
        stop = whole.find(end, len(prompt))
        if not whole.startswith(prompt) or stop < 0:
            raise BadInput(f"{tokenizer.name_or_path}: its chat template does not end a turn with {end}; use another")
        if end in message["content"]:
            raise BadInput(f"message {number} holds {end}, which would end its turn early; remove it")
        stop += len(end)
        for text, learnt in ((whole[seen : len(prompt)], False), (whole[len(prompt) : stop], True)):
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += tokens
            labels += tokens if learnt else [IGNORED] * len(tokens)
        seen = stop
    if not ids:
        raise BadInput("a conversation without an assistant's message; give it one to learn from")
    if max_length and len(ids) > max_length:
        raise BadInput(
            f"{len(ids)} tokens, the limit is {max_length}; raise lora.max_length or set lora.too_long to drop"
        )
    return ids, labels


def read_training_set(
    path: str | Path, tokenizer: PreTrainedTokenizerBase, max_length: int, too_long: str = "refuse"
) -> tuple[list[dict[str, list[int]]], list[str]]:
    """(rows, dropped) of a JSONL training set: `input_ids` and `labels` of each, and the names of those left out.

    A row longer than `max_length` tokens is left out where `too_long` is "drop"; else, and for a row that cannot be
    learnt from, raises BadInput with file, line and trace.
    """
    rows, dropped = [], []
    for number, row in json_rows(path):
        where = f"{shown(path)}:{number}" + (f" ({row['problem_id']})" if row.get("problem_id") else "")
        if not isinstance(row.get("messages"), list) or not all(
            isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
            for turn in row["messages"]
        ):
            raise BadInput(f"{where}: no messages with role and content; give a conversation")
        try:
            ids, labels = tokenize(row["messages"], tokenizer, None if too_long == "drop" else max_length)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
        if len(ids) > max_length:
            dropped.append(f"{where}: {len(ids)} tokens")
            continue
        rows.append({"input_ids": ids, "labels": labels})
    if not rows:
        why = f"all {len(dropped)} are longer than {max_length} tokens" if dropped else "no trace in it"
        raise BadInput(f"{shown(path)}: {why}; curate at least one{' that is shorter' if dropped else ''}")
    return rows, dropped
