"""Training with little memory computes what plain training computes."""

import json
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model

from longcot.files import ROOT
from longcot.qlora import recomputation, trainer
from longcot.qlora.recomputation import recomputing
from longcot.qlora.trainer import IGNORED, summed_loss
from longcot.qlora.training import load_base_4bit

TOKENS = 90


@pytest.fixture(scope="module")
def base(tiny_model):
    torch.set_num_threads(1)
    return load_base_4bit(tiny_model, "float32")


@pytest.fixture
def adapted(base, request):
    """The base with an adapter whose every matrix matters."""
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **getattr(request, "param", {})}
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options)).train()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    yield model
    model.unload()


def batch(padded: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    ids = torch.randint(0, 200, (2, TOKENS))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    inputs["labels"][:, :10] = IGNORED
    if padded:  # on the left, where attention reaches
        inputs["attention_mask"][0, :30] = 0
        inputs["labels"][0, :31] = IGNORED
    return inputs


def gradients(model) -> dict[str, torch.Tensor]:
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "adapted", [{}, {"target_modules": ["q_proj", "down_proj"]}, {"lora_dropout": 0.3}], indirect=True
)
def test_same_loss_and_gradients(adapted, padded, monkeypatch):
    inputs = batch(padded)
    count = (inputs["labels"][:, 1:] != IGNORED).sum()
    torch.manual_seed(3)
    plain = adapted(**inputs).loss
    plain.backward()
    after = torch.rand(1)
    expected = gradients(adapted)
    monkeypatch.setattr(trainer, "ROWS", 7)  # many chunks of logits
    dropout = adapted.peft_config["default"].lora_dropout
    monkeypatch.setattr(recomputation, "TILE", 10**6 if dropout else 16)  # a mask is drawn for a whole tile
    with recomputing(adapted):
        torch.manual_seed(3)
        decoder, head = adapted.get_base_model().get_decoder(), adapted.get_base_model().lm_head
        hidden = decoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
        loss = summed_loss(hidden[:, :-1], inputs["labels"][:, 1:], head) / count
        loss.backward()
        assert torch.equal(torch.rand(1), after)
    found = gradients(adapted)
    assert torch.allclose(loss, plain, rtol=1e-5)
    assert found.keys() == expected.keys() and all(grad.abs().max() > 1e-5 for grad in expected.values())
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, rtol=1e-3, atol=1e-5 * grad.abs().max().item()), name
    assert not any("forward" in vars(module) for module in adapted.modules())


def test_the_benchmark_runs_at_a_small_shape(tmp_path):
    command = "--shape tiny --lengths 128,256 --peer none --device cpu --steps 2".split()
    script = str(ROOT / "tests/benchmarks/qlora.py")
    done = subprocess.run([sys.executable, script, *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [(row["name"], row["length"]) for row in rows] == [("longcot", 128), ("longcot", 256)]
    assert all(row[key] > 0 for row in rows for key in ("tokens_per_s", "peak_memory_gb", "share_of_peak"))
