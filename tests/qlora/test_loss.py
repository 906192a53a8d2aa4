"""The loss of a training step, against a reference that shares nothing with the training but the weights in a file.

The reference is transformers' own float32 model, each linear weight W put in place as what bitsandbytes makes of it in
four bits, plus scale x B A with the adapter's matrices as they were at that step; the tokens are put together by hand.
"""

import json

import bitsandbytes.functional as bnb
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from longcot.models.nf4 import load_base_4bit
from longcot.qlora.settings import LoraSettings
from longcot.qlora.training import train_adapter

TRACES = [("Q0", "Two: \\boxed{2}."), ("Q1", "First three, then a check. \\boxed{3}"), ("Q2", "\\boxed{5}")]
SETTINGS = LoraSettings(
    rank=8, alpha=24, learning_rate=5e-2, epochs=3, batch_size=4, warmup_ratio=0.0, compute_dtype="float32"
)


def in_four_bits(weight: torch.Tensor) -> torch.Tensor:
    packed, state = bnb.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    return bnb.dequantize_4bit(packed, state)


@torch.no_grad()
def reference(path, adapter: dict[str, torch.Tensor], quantized: bool = True) -> tuple[float, float]:
    """The mean cross-entropy over all that the assistant says, each trace alone, and the share of first choices."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    for name, module in model.model.named_modules():
        if isinstance(module, torch.nn.Linear):
            plain = in_four_bits(module.weight.data) if quantized else module.weight.data
            a, b = (adapter[f"base_model.model.model.{name}.lora_{letter}.weight"] for letter in "AB")
            module.weight.data = plain + SETTINGS.alpha / SETTINGS.rank * b @ a
    tokenizer, losses, right = AutoTokenizer.from_pretrained(path), [], []
    for question, answer in TRACES:
        prompt = tokenizer(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
        reply = tokenizer(f"{answer}<|im_end|>")["input_ids"]
        said = model(torch.tensor([prompt + reply])).logits[0].log_softmax(-1)
        losses += [-said[place - 1, token].item() for place, token in enumerate(reply, len(prompt))]
        right += [said[place - 1].argmax().item() == token for place, token in enumerate(reply, len(prompt))]
    return sum(losses) / len(losses), sum(right) / len(right)


@pytest.mark.parametrize("small", [2**24, 0], ids=["padded", "one by one"])
def test_the_loss_of_each_step_is_the_reference(tiny_model, tmp_path, monkeypatch, small):
    """Of a step with a fresh adapter, then of steps with adapters that training has changed."""
    monkeypatch.setattr("longcot.qlora.training.SMALL", small)
    torch.set_num_threads(1)
    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}] for question, answer in TRACES
    ]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps({"messages": rows}) + "\n" for rows in turns))
    adapters, shares = [], []

    def keep(row: dict[str, float]) -> None:
        """The adapter that the step's loss was of: an epoch is one step, and its end has a checkpoint."""
        saved = tmp_path / "adapter.training" / f"checkpoint-{row['step'] - 1}" / "adapter_model.safetensors"
        adapters.append(load_file(saved) if row["step"] > 1 else None)
        shares.append(row["token_accuracy"])

    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    found = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "adapter", SETTINGS, keep)["loss"]
    adapters[0] = {name: torch.zeros_like(matrix) for name, matrix in adapters[1].items()}
    expected, first_choices = zip(*[reference(tiny_model, adapter) for adapter in adapters], strict=True)
    assert shares == pytest.approx(first_choices, abs=1e-4) and shares[-1] > shares[0]
    assert found == pytest.approx(expected, rel=1e-4)
    assert abs(expected[0] - expected[1]) > 0.1 * expected[0], "the adapter matters"
    exact = reference(tiny_model, adapters[0], quantized=False)[0]
    assert abs(exact - expected[0]) > 1e-3 * exact, "and so do the four bits"
