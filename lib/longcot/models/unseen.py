"""Which special tokens of a chat template a model has hardly seen in training."""

import re
from pathlib import Path
from typing import Any

from longcot.models.layout import LATER_USER, SAID, USER, special_tokens
from longcot.models.templates import apply_template

MARKUP = re.compile(r"<\|[^|<>\s]+\|>|<[A-Za-z]\w*>|\[/?[A-Z_]+\]")  # what looks like a special token
EMBEDDINGS = re.compile(r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|embeddings)\.weight$")
NEAR = 0.99  # cosine, to the nearest of the tokens that stand for nothing
SMALL = 0.01  # of the median norm
COMPARED = 1024  # rows at most


def unseen_tokens(tokenizer: Any, name: str, folder: Path | None = None) -> list[str]:
    """What is to be said, one line each, of the special tokens of the template that is called `name`.

    One that is no token of the vocabulary reaches the model in pieces, which is as it should be in a template of the
    model's own (`name` own). With the weights in `folder` at hand, one whose embedding is next to nothing, or hardly
    another than that of an added token which the template has not: rows that were never trained are alike, in Llama 3
    and in Gemma 3 for two.
    """
    said = _said(tokenizer)
    lines = []
    for mark in dict.fromkeys(MARKUP.findall(said) if name != "own" else []):
        if (pieces := len(tokenizer(mark, add_special_tokens=False)["input_ids"])) > 1:
            lines.append(f"{mark} is no token of this model and reaches it in {pieces} pieces")
    tokens = list(dict.fromkeys(special_tokens(tokenizer).findall(said)))
    if folder and tokens:
        lines += _untrained(tokenizer, tokens, folder)
    return lines


def _said(tokenizer: Any) -> str:
    """What the template itself says in a conversation."""
    turns = [{"role": role, "content": text} for role, text in (("user", USER), ("assistant", SAID))]
    said = apply_template(tokenizer, [*turns, {"role": "user", "content": LATER_USER}], True)
    for word in (USER, SAID, LATER_USER):
        said = said.replace(word, " ")
    return said


def _untrained(tokenizer: Any, tokens: list[str], folder: Path) -> list[str]:
    import torch
    from torch.nn.functional import cosine_similarity

    vocabulary = tokenizer.get_added_vocab()
    others = [token for token in vocabulary if token not in tokens and token.strip()][:COMPARED]
    ids = [tokenizer.convert_tokens_to_ids(token) for token in (*tokens, *others)]
    rows, typical = _rows(folder, ids, len(tokenizer))
    lines = []
    for token, row in zip(tokens, rows, strict=False):
        if row.norm() <= SMALL * typical:
            lines.append(f"{token} has an embedding of next to nothing; the model may never have seen it")
        elif others and len(rows) == len(ids):
            alike = cosine_similarity(rows[len(tokens) :], row[None])
            if alike.max() >= NEAR:
                nearest = others[int(torch.argmax(alike))]
                lines.append(
                    f"{token} has nearly the embedding of {nearest} (cosine {alike.max():.3f}); the model may never "
                    "have seen it"
                )
    return lines


def _rows(folder: Path, ids: list[int], size: int) -> tuple[Any, float]:
    """(the embeddings of these tokens, the median norm of those of 200 others); none where they are not found."""
    import torch
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt") as weights:
                name = next((name for name in weights.keys() if EMBEDDINGS.search(name)), None)  # noqa: SIM118
                if name:
                    table = weights.get_slice(name)
                    count = min(table.get_shape()[0], size)
                    found = [table[number : number + 1].float() for number in ids if number < count]
                    some = [table[number : number + 1].float().norm() for number in range(0, count, count // 200 or 1)]
                    return torch.cat(found) if found else torch.zeros(0, 1), float(torch.stack(some).median())
        except SafetensorError:  # not whole; loading it will say so
            continue
    return torch.zeros(0, 1), 0.0
