"""Tokens and modules that are trained beside LoRA: only those change, they are saved, loaded and merged."""

import json

import pytest
import torch
from conftest import make_model
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from longcot.files.errors import BadInput
from longcot.models.adapter import without_adapter
from longcot.models.merging import merge_adapter
from longcot.models.nf4 import load_base_4bit, save_dequantized
from longcot.qlora import training
from longcot.qlora.beside_lora import beside_lora, token_id
from longcot.qlora.settings import LoraSettings
from longcot.sampling.local import LocalSampler

IDS = torch.tensor([[1, 5, 9, 2, 30]])
PLAIN = LoraSettings(epochs=2, batch_size=2, learning_rate=1e-2, compute_dtype="float32")


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request, tmp_path_factory):
    """The tiny model, and one whose output head has weights of its own; three conversations beside it."""
    torch.set_num_threads(1)
    path = make_model(tmp_path_factory.mktemp("model") / "base")
    if not request.param:
        model = AutoModelForCausalLM.from_pretrained(path)
        model.config.tie_word_embeddings = False
        type(model)(model.config).to(torch.bfloat16).save_pretrained(path)
    rows = [[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "x" * n}] for n in (20, 30, 40)]
    (path.parent / "set.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    save_dequantized(path, path.parent / "nf4")
    return path


@pytest.mark.parametrize("small", [True, False], ids=["padded", "one by one"])
@pytest.mark.parametrize(
    "more, rows",
    [
        ({"trainable_token_indices": ["<|im_end|>", 1]}, {"both": [1, 2]}),
        ({"modules_to_save": ["lm_head"]}, {"head": range(301)}),
    ],
)
def test_what_is_trained_beside_is_saved_loaded_and_merged(folder, tmp_path, monkeypatch, small, more, rows):
    if not small:
        monkeypatch.setattr(training, "SMALL", 0)
    base, tokenizer = load_base_4bit(folder, "float32"), AutoTokenizer.from_pretrained(folder)
    weights = {name: value.clone() for name, value in base.state_dict().items()}
    settings, out = PLAIN.model_copy(update=more), tmp_path / "adapter"
    report = training.train_adapter(base, tokenizer, folder.parent / "set.jsonl", out, settings)
    assert report["loss"][-1] < report["loss"][0] and set(more) <= set(report["settings"])
    after = base.state_dict()
    assert weights.keys() == after.keys() and all(torch.equal(weights[name], after[name]) for name in weights)

    plain = AutoModelForCausalLM.from_pretrained(folder.parent / "nf4", dtype=torch.float32)
    sampler = LocalSampler(folder.parent / "nf4", threads=1, device="cpu")
    sampler.use_adapter(out)
    pairs = {"in": "get_input_embeddings", "head": "get_output_embeddings"}
    for place, get in pairs.items():
        change = getattr(sampler.model, get)().weight - getattr(plain, get)().weight
        assert change.abs().amax(1).nonzero().flatten().tolist() == list(rows.get("both", rows.get(place, [])))
    reference = PeftModel.from_pretrained(plain, str(out)).eval()
    merged = merge_adapter(folder, out, tmp_path / "merged", "float32")
    with torch.no_grad():
        expected = reference(IDS).logits
        torch.testing.assert_close(sampler.model(IDS).logits, expected, atol=1e-4, rtol=1e-4)
        loaded = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)
        torch.testing.assert_close(loaded(IDS).logits, expected, atol=1e-4, rtol=1e-4)
    assert not torch.equal(without_adapter(reference)(IDS).logits, expected)


def test_a_module_within_the_layers_is_trained_by_their_own_code(folder, tmp_path, monkeypatch):
    """The layers of `recomputation` train LoRA's matrices alone; a norm that is trained too must not be passed over."""
    settings, losses = PLAIN.model_copy(update={"modules_to_save": ["input_layernorm"]}), []
    for small in (training.SMALL, 0):
        monkeypatch.setattr(training, "SMALL", small)
        base, tokenizer = load_base_4bit(folder, "float32"), AutoTokenizer.from_pretrained(folder)
        out = tmp_path / f"adapter-{small}"
        losses.append(training.train_adapter(base, tokenizer, folder.parent / "set.jsonl", out, settings)["loss"])
        saved = load_file(out / "adapter_model.safetensors")
        norms = [weights for name, weights in saved.items() if "input_layernorm" in name]
        assert norms and not any(torch.equal(weights, torch.ones_like(weights)) for weights in norms)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_base_in_16_bits_is_as_before_when_an_adapter_goes(folder, tmp_path):
    base, tokenizer = load_base_4bit(folder, "float32"), AutoTokenizer.from_pretrained(folder)
    settings = PLAIN.model_copy(update={"modules_to_save": ["lm_head"], "epochs": 1})
    training.train_adapter(base, tokenizer, folder.parent / "set.jsonl", tmp_path / "adapter", settings)
    sampler = LocalSampler(folder.parent / "nf4", dtype="bfloat16", threads=1, device="cpu")
    with torch.no_grad():
        before = sampler.model(IDS).logits
        sampler.use_adapter(tmp_path / "adapter")
        assert not torch.equal(sampler.model(IDS).logits, before)
        sampler.use_adapter(None)
        assert torch.equal(sampler.model(IDS).logits, before)


def test_a_module_or_token_that_is_not_there_is_refused(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    base = AutoModelForCausalLM.from_pretrained(folder)
    assert token_id(tokenizer, "<|im_end|>") == token_id(tokenizer, 2) == 2
    for given, words in (
        ({"trainable_token_indices": ["<|end|>"]}, "'<|end|>' is none of the model's 301 tokens"),
        ({"trainable_token_indices": [301]}, "301 is none of the model's 301 tokens"),
        ({"modules_to_save": ["head"]}, "the base has no module 'head'"),
    ):
        with pytest.raises(BadInput) as found:
            beside_lora(base, LoraSettings(**given), tokenizer)
        assert words in str(found.value)
    assert beside_lora(base, LoraSettings(), tokenizer) == {}
    assert LoraSettings().recipe().keys() & {"modules_to_save", "trainable_token_indices"} == set()
    assert len({LoraSettings(target_modules=["q_proj"]), LoraSettings(target_modules=["q_proj"])}) == 1
