"""Special tokens of a template that a model has hardly seen."""

import shutil

import pytest
import torch
from chat_families import tokenizer_of
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from longcot.models.templates import with_template
from longcot.models.unseen import unseen_tokens

EMBEDDINGS = "model.embed_tokens.weight"


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_markers_that_are_no_tokens():
    base = with_template(tokenizer_of("", ("<s>", "</s>"), "</s>"), "chatml")
    lines = unseen_tokens(base, "chatml")
    assert len(lines) == 2 and lines[0].startswith("<|im_start|> is no token of this model and reaches it in ")
    assert unseen_tokens(base, "own") == []  # a template of the model's own may speak in plain text
    assert unseen_tokens(with_template(base, "plain"), "plain") == []


def test_embeddings_that_were_never_trained(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|reserved|>"]})
    reserved = tokenizer.convert_tokens_to_ids("<|reserved|>")
    assert unseen_tokens(tokenizer, "own", folder) == []
    weights = load_file(folder / "model.safetensors")
    table = torch.cat([weights[EMBEDDINGS], torch.randn(1, 64).to(torch.bfloat16)])
    table[1] = 0
    table[2] = table[reserved] * 1.001
    save_file(weights | {EMBEDDINGS: table}, folder / "model.safetensors")
    nothing, alike = unseen_tokens(tokenizer, "own", folder)
    assert nothing.startswith("<|im_start|> has an embedding of next to nothing")
    assert alike.startswith("<|im_end|> has nearly the embedding of <|reserved|> (cosine 1.000)")
    (folder / "model.safetensors").write_bytes(b"torn")
    assert unseen_tokens(tokenizer, "own", folder) == []
