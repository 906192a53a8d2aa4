"""An adapter merged into its base, and what a fine-tune changes, for a reader."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import make_model
from peft import PeftModel
from transformers import AutoModelForCausalLM

from longcot.files.errors import BadInput
from longcot.models.before_after import before_and_after
from longcot.models.merging import merge_adapter
from longcot.models.nf4 import load_base_4bit, load_tokenizer, save_dequantized
from longcot.qlora.settings import LoraSettings
from longcot.qlora.training import train_adapter

REPLY = "Two, then a check: \\boxed{2}."


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """(base, tokenizer, adapter, training set) of the tiny model, trained until it knows its one trace by heart."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    row = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": REPLY}]}
    (folder / "set.jsonl").write_text(json.dumps(row) + "\n")
    base, tokenizer = load_base_4bit(tiny_model, "float32"), load_tokenizer(tiny_model)
    settings = LoraSettings(epochs=40, learning_rate=1e-2, compute_dtype="float32")
    train_adapter(base, tokenizer, folder / "set.jsonl", folder / "adapter", settings)
    return base, tokenizer, folder / "adapter", folder / "set.jsonl"


def test_before_and_after(trained):
    base, tokenizer, adapter, training_set = trained
    (row,) = before_and_after(base, tokenizer, adapter, training_set, max_tokens=60)
    assert row["problem"] == "Q" and row["after"] == REPLY and row["before"] != REPLY
    assert not any("lora" in name for name, _ in base.named_modules())


def test_merged_is_base_and_adapter_in_one(trained, tiny_model, tmp_path):
    _, tokenizer, adapter, _ = trained
    exact = AutoModelForCausalLM.from_pretrained(merge_adapter(tiny_model, adapter, tmp_path / "32", "float32"))
    plain = AutoModelForCausalLM.from_pretrained(save_dequantized(tiny_model, tmp_path / "nf4"))
    ids = torch.tensor([tokenizer("What is 1 + 1?")["input_ids"]])
    with torch.no_grad():
        expected = PeftModel.from_pretrained(plain, adapter).eval()(ids).logits
        assert torch.allclose(exact.eval()(ids).logits, expected, atol=1e-4)
    command = [sys.executable, "-m", "longcot", "merge", str(tiny_model), str(adapter), str(tmp_path / "16")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "16")
    assert merged.dtype == torch.bfloat16 and merged.config.vocab_size == exact.config.vocab_size
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in merged.generation_config.eos_token_id
    for name, weight in exact.named_parameters():
        assert torch.equal(merged.get_parameter(name), weight.to(torch.bfloat16)), name


def test_refused(trained, tiny_model, tmp_path):
    *_, adapter, _ = trained
    other = make_model(tmp_path / "other", seed=1)
    with pytest.raises(BadInput, match="trained on tiny0, not on other"):
        merge_adapter(other, adapter, tmp_path / "out")
    with pytest.raises(BadInput, match="no adapter_config.json"):
        merge_adapter(tiny_model, tmp_path, tmp_path / "out")
    shutil.copytree(adapter, tmp_path / "shipped", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(BadInput, match="shipped: no adapter_model.safetensors in it"):
        merge_adapter(tiny_model, tmp_path / "shipped", tmp_path / "out")
    with pytest.raises(BadInput, match="other: it is there and not empty"):
        merge_adapter(tiny_model, adapter, other)
    assert not (tmp_path / "out").exists() and (other / "config.json").is_file()
    command = [sys.executable, "-m", "longcot", "merge", str(other), str(adapter), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: adapter: trained on")
