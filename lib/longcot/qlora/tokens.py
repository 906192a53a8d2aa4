"""What a model learns from: conversations as tokens, and which of them it learns."""

from pathlib import Path
from typing import TYPE_CHECKING

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.rows import json_rows
from longcot.models.chat import further_tokens, rendered_pieces, response_text
from longcot.models.layout import Layout, layout
from longcot.qlora.label_masks import learnt
from longcot.qlora.settings import Loss

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that torch's cross-entropy leaves out


def tokenize(
    messages: list[dict[str, str]],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int | None = None,
    loss: Loss | None = None,
) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of a conversation, labels `IGNORED` but on what the assistant says.

    Each assistant's turn counts up to and with the token that ends it; after the last one nothing follows. Its prompt
    has the tokens that it has when sampling, and the tag of a thought that it opens is not learnt again. With `loss`
    only some tokens of each turn count. Raises BadInput where it is longer than `max_length`, where no assistant
    speaks, and where the template cannot be trained on or puts an earlier turn otherwise than the last one.
    """
    found, seen, text, last = layout(tokenizer), [], "", ""
    ids: list[int] = []
    labels: list[int] = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        pieces = rendered_pieces(tokenizer, messages[:number], True)
        both = zip(seen, pieces, strict=False)  # a prompt may open a thought that the turn itself has later
        if not all(now.startswith(then) or then.startswith(now.rstrip()) for then, now in both):
            raise BadInput("the chat template changes earlier turns when others follow; give conversations of one turn")
        seen.append(pieces[-1])
        prompt = _after_the_turn(found, pieces[-1], last) if text else pieces[-1]
        last = message["content"]
        response = response_text(tokenizer, prompt, last)
        if not found.own_end and any(later["role"] == "assistant" for later in messages[number + 1 :]):
            response = response.removesuffix(found.end)
        for part, said in ((prompt, False), (response, True)):
            tokens = further_tokens(tokenizer, text, ids, part)
            counts = [said] * len(tokens)
            if said and loss:
                counts = learnt(loss, tokenizer, text, part, found.end, tokens)
            text += part
            ids += tokens
            labels += [token if count else IGNORED for token, count in zip(tokens, counts, strict=True)]
    if not ids:
        raise BadInput("a conversation without an assistant's message; give it one to learn from")
    if max_length and len(ids) > max_length:
        raise BadInput(
            f"{len(ids)} tokens, the limit is {max_length}; raise lora.max_length or set lora.too_long to drop"
        )
    return ids, labels


def _after_the_turn(found: Layout, piece: str, content: str) -> str:
    """What follows the end of an assistant's turn, of the text between its content and the next one's."""
    if found.own_end:
        _, end, rest = piece.partition(found.end)
        if not end:
            raise BadInput("the chat template ends earlier turns otherwise; give conversations of one turn")
        return rest
    return piece if found.trims[1] else piece.removeprefix(content[len(content.rstrip()) :])


def marked_tokens(tokenizer: "PreTrainedTokenizerBase", row: dict[str, list[int]]) -> list[str]:
    """Each token of a row of a training set as text, those that carry the loss in brackets."""
    words = [tokenizer.decode([token]) for token in row["input_ids"]]
    return [f"[{word}]" if label != IGNORED else word for word, label in zip(words, row["labels"], strict=True)]


def read_training_set(
    path: str | Path,
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    too_long: str = "refuse",
    loss: Loss | None = None,
) -> tuple[list[dict[str, list[int]]], list[str]]:
    """(rows, dropped) of a JSONL training set: `input_ids` and `labels` of each, and the names of those left out.

    A row longer than `max_length` tokens is left out where `too_long` is "drop", and one in which `loss` counts no
    token; else, and for a row that cannot be learnt from, raises BadInput with file, line and trace. So does a `loss`
    that no row is long enough for, or that marks nothing in any.
    """
    rows, dropped = [], []
    for number, row in json_rows(path):
        where = f"{display_path(path)}:{number}" + (f" ({row['problem_id']})" if row.get("problem_id") else "")
        if not isinstance(row.get("messages"), list) or not all(
            isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
            for turn in row["messages"]
        ):
            raise BadInput(f"{where}: no messages with role and content; give a conversation")
        try:
            ids, labels = tokenize(row["messages"], tokenizer, None if too_long == "drop" else max_length, loss)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
        if len(ids) > max_length:
            dropped.append(f"{where}: {len(ids)} tokens")
            continue
        if not any(label != IGNORED for label in labels):
            dropped.append(f"{where}: no token for {loss}")
            continue
        rows.append({"input_ids": ids, "labels": labels})
    if loss:
        _check_loss(loss, rows, dropped, display_path(path))
    if not rows:
        why = f"all {len(dropped)} are longer than {max_length} tokens" if dropped else "no trace in it"
        raise BadInput(f"{display_path(path)}: {why}; curate at least one{' that is shorter' if dropped else ''}")
    return rows, dropped


def _check_loss(loss: Loss, rows: list[dict[str, list[int]]], dropped: list[str], path: str) -> None:
    """See that a set's traces have what is to be learnt of them."""
    if loss.first and rows:
        longest = max(sum(label != IGNORED for label in row["labels"]) for row in rows)
        if longest < loss.first:
            raise BadInput(f"{path}: {loss} is beyond its longest response, {longest} tokens; give less")
    if not rows and all(str(loss) in why for why in dropped):
        why = "is beyond its longest response; give less" if loss.after else "marks nothing in any of its traces"
        raise BadInput(f"{path}: {loss} {why}" + ("" if loss.after else "; name another, or learn from others"))
