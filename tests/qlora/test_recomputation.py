"""Training with little memory computes what plain training computes, whatever is kept and whatever goes together."""

import json
import subprocess
import sys
import weakref

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from longcot.files.paths import ROOT
from longcot.models.nf4 import load_base_4bit
from longcot.qlora import keeping, trainer
from longcot.qlora.attention import Attention, Places
from longcot.qlora.keeping import Plan
from longcot.qlora.recomputation import KNOWN, Layers, knows, recomputing
from longcot.qlora.tokens import IGNORED
from longcot.qlora.trainer import frozen_head_loss, joined, passes, summed_loss

TOKENS = 90
FAMILY = {  # beside what all have: another activation, a window shorter than the batch, biases, normalized heads
    "llama": {"hidden_act": "gelu", "mlp_bias": True},
    "mistral": {"sliding_window": 40},
    "qwen2": {},
    "qwen3": {"head_dim": 32},
}


@pytest.fixture(scope="module")
def bases(tiny_model, tmp_path_factory):
    """A tiny 4-bit base of each family that is known."""
    torch.set_num_threads(1)
    found = {}
    for family in KNOWN:
        torch.manual_seed(0)
        sizes = AutoConfig.from_pretrained(tiny_model).to_dict()
        names = "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads"
        sizes = {key: sizes[key] for key in names.split()} | {"max_position_embeddings": 256, "initializer_range": 0.2}
        config = AutoConfig.for_model(family, **sizes, **FAMILY[family], eos_token_id=0, bos_token_id=0, pad_token_id=0)
        folder = tmp_path_factory.mktemp(family)
        AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)
        found[family] = load_base_4bit(folder, "float32")
        assert knows(found[family].config)
    return found


@pytest.fixture
def adapt(bases):
    """Makes an adapter whose every matrix matters, of a family's base."""
    made = []

    def make(family: str = "qwen2", **options):
        options = {"r": 4, "lora_alpha": 12, "target_modules": "all-linear", **options}
        made.append(get_peft_model(bases[family], LoraConfig(task_type="CAUSAL_LM", **options)).train())
        torch.manual_seed(1)
        for name, parameter in made[-1].named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        return made[-1]

    yield make
    for model in made:
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


def planned(layers: Layers, kinds: str, tokens: int = TOKENS) -> None:
    """Keep these kinds of tensors, of all layers, as if there were room."""
    tiles = [f"mlp{number}" for number in range(len(layers.shape.tiles(2 * tokens)))]
    names = [name for kind in kinds.split() for name in (tiles if kind == "mlp" else [kind])]
    layers.plan = Plan(2, {name: (2, 0) for name in names}, 0, 0, 0.0)


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys() and all(grad.abs().max() > 1e-5 for grad in expected.values())
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, rtol=1e-3, atol=1e-5 * grad.abs().max().item()), name


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "family, options, kinds",
    [(family, {}, "") for family in KNOWN]
    + [(family, {}, "attention heads middle mlp") for family in KNOWN]
    + [
        ("qwen2", {"target_modules": ["q_proj", "down_proj"]}, ""),
        ("qwen2", {"target_modules": ["k_proj", "up_proj"]}, "attention heads middle mlp"),
        ("qwen2", {"target_modules": ["q_proj", "up_proj"], "layers_to_transform": [0]}, ""),
        ("qwen3", {"target_modules": ["self_attn.v_proj"], "layers_to_transform": [1]}, "attention heads middle mlp"),
        ("llama", {"target_modules": ["mlp.down_proj"], "layers_to_transform": [1]}, ""),
        ("qwen2", {"lora_dropout": 0.3}, ""),
        ("qwen3", {"lora_dropout": 0.3}, "attention middle"),
        ("qwen2", {"lora_dropout": 0.3}, "attention heads middle mlp"),
    ],
)
def test_same_loss_and_gradients(adapt, family, options, kinds, padded, monkeypatch):
    adapted, inputs = adapt(family, **options), batch(padded)
    count = (inputs["labels"][:, 1:] != IGNORED).sum()
    torch.manual_seed(3)
    plain = adapted(**inputs).loss
    plain.backward()
    after = torch.rand(1)
    expected = gradients(adapted)
    monkeypatch.setattr(trainer, "ROWS", 7)  # many chunks of logits
    dropout = adapted.peft_config["default"].lora_dropout
    monkeypatch.setattr(keeping, "TILE", 10**9 if dropout else 16 * 128)  # a mask is drawn for a whole tile
    with recomputing(adapted) as layers:
        planned(layers, kinds)
        torch.manual_seed(3)
        decoder, head = adapted.get_base_model().get_decoder(), adapted.get_base_model().lm_head
        hidden = decoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
        loss = summed_loss(hidden[:, :-1], inputs["labels"][:, 1:], head) / count
        loss.backward()
        assert torch.equal(torch.rand(1), after)
        assert not layers.kept
    assert torch.allclose(loss, plain, rtol=1e-5)
    same(gradients(adapted), expected)
    assert not any("forward" in vars(module) for module in adapted.modules())


KINDS = ("", "attention", "heads", "middle", "mlp", "attention middle", "attention heads middle mlp")


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_what_is_kept_changes_not_a_bit(adapt, dropout, monkeypatch):
    monkeypatch.setattr(keeping, "TILE", 16 * 128)
    adapted, inputs, found = adapt(lora_dropout=dropout), batch(padded=False), []
    with recomputing(adapted) as layers:
        for kinds in KINDS:
            planned(layers, kinds)
            torch.manual_seed(3)
            adapted.get_base_model().get_decoder()(input_ids=inputs["input_ids"])[0].square().mean().backward()
            found.append(gradients(adapted))
        layers.keep_weights(1)
        adapted.get_base_model().get_decoder()(input_ids=inputs["input_ids"])[0].square().mean().backward()
        if not dropout:
            found.append(gradients(adapted))
    for kinds, other in zip((*KINDS[1:], "weights"), found[1:], strict=False):
        assert all(torch.equal(other[name], grad) for name, grad in found[0].items()), kinds


@pytest.mark.parametrize("family", KNOWN)
def test_traces_together_as_one_by_one(adapt, family):
    """The last states, which make the logits, and the gradients of all adapters' matrices."""
    adapted, lengths = adapt(family), [30, 7, 25]
    torch.manual_seed(2)
    traces = [torch.randint(0, 200, (1, length)) for length in lengths]
    weights = [torch.randn(1, length, 64) for length in lengths]
    decoder, states = adapted.get_base_model().get_decoder(), []
    for ids, weight in zip(traces, weights, strict=True):
        states.append(decoder(input_ids=ids)[0])
        (states[-1] * weight).sum().backward()
    expected = gradients(adapted)
    for kinds in ("", "attention heads middle mlp"):
        with recomputing(adapted) as layers:
            assert layers.begin(lengths)
            planned(layers, kinds)
            places = torch.cat([torch.arange(length) for length in lengths])[None]
            mask = torch.ones((1, 1, 1, 1), dtype=torch.bool)
            together = decoder(torch.cat(traces, 1), attention_mask=mask, position_ids=places)[0]
            (together * torch.cat(weights, 1)).sum().backward()
        for alone, part in zip(states, together.split(lengths, 1), strict=True):
            assert torch.allclose(part, alone, atol=1e-4)
        same(gradients(adapted), expected)


def test_a_trace_longer_than_a_window_comes_alone(adapt):
    with recomputing(adapt("mistral")) as layers:
        assert layers.begin([40, 30]) and not layers.begin([41])


def test_the_loss_of_a_frozen_head():
    torch.manual_seed(0)
    hidden, head = torch.randn(2, 9, 16, requires_grad=True), torch.nn.Linear(16, 50, bias=False)
    labels = torch.randint(0, 50, (2, 9))
    labels[0, :4] = IGNORED
    given = [summed_loss(hidden, labels, head), frozen_head_loss(hidden, labels, head.weight)]
    grads = [torch.autograd.grad(3 * loss, hidden)[0] for loss in given]
    assert torch.allclose(*given, rtol=1e-6) and torch.allclose(*grads, atol=1e-6) and grads[0][0, :4].eq(0).all()


def test_attention_that_waits_holds_no_tensor():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 4, 12, 16) for _ in range(3))
    places = Places([7, 5], torch.ones(1, 12, 16), torch.zeros(1, 12, 16))
    attention = Attention(q, k, v, places, 0.25)
    tensors = attention.release()
    watched = [weakref.ref(tensor) for tensor in (q, k, v, *tensors)]
    again = [tensor.clone() for tensor in (q, k, v)], [tensor.clone() for tensor in tensors]
    watched_again = [weakref.ref(tensor) for some in again for tensor in some]
    given = [tensor.clone().requires_grad_() for tensor in (q, k, v)]
    del q, k, v, tensors
    assert not any(one() is not None for one in watched), "without the garbage collector's help"
    attention.restore(*again[0], again[1])
    del again
    assert all(one() is not None for one in watched_again)
    grad = torch.randn(12, 64)
    found, expected = attention.backward(grad), []
    assert not any(one() is not None for one in watched_again), "the layers' graph holds it for as long as itself"
    for rows in (slice(0, 7), slice(7, 12)):
        part = [tensor[:, :, rows] for tensor in given]
        out = torch.nn.functional.scaled_dot_product_attention(*part, is_causal=True, scale=0.25)
        expected.append(torch.autograd.grad(out, given, grad[rows].view(1, -1, 4, 16).transpose(1, 2)))
    for number in range(3):
        assert torch.allclose(found[number], expected[0][number] + expected[1][number], atol=1e-6)
    held = weakref.ref(attention)
    del attention
    assert held() is None


def test_passes_keep_the_order():
    assert passes([5, 5, 9, 1, 2, 20, 3], 10) == [[5, 5], [9, 1], [2], [20], [3]]
    assert passes([5, 1], 0) == [[5], [1]]
    assert passes([5, 5, 4, 1, 1], 10, padded=True) == [[5, 5], [4, 1], [1]]
    rows = [{"input_ids": [1, 2, 3], "labels": [IGNORED, 2, 3]}, {"input_ids": [4, 5], "labels": [4, 5]}]
    given = joined(rows)
    assert given["input_ids"].tolist() == [[1, 2, 3, 4, 5]] and given["lengths"] == [3, 2]
    assert given["labels"].tolist() == [[IGNORED, 2, 3, IGNORED, 5]]  # no trace learns what the next begins with


def test_the_benchmark_runs_at_a_small_shape(tmp_path):
    (tmp_path / "traces.jsonl").write_text(
        "".join(json.dumps({"completion_tokens": n}) + "\n" for n in (9, 500, 800, 600))
    )
    script = [
        sys.executable,
        str(ROOT / "tests/benchmarks/qlora.py"),
        "--shape",
        "tiny",
        "--device",
        "cpu",
        "--steps",
        "2",
    ]
    script += ["--checkpoints", str(tmp_path)]
    for more, lengths in (
        (["--lengths", "128,256"], [128, 256]),
        (["--file", "traces.jsonl", "--traces", "3"], [1900]),
    ):
        done = subprocess.run([*script, *more], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout.splitlines()[-1])["rows"]
        assert [(row["name"], row["length"]) for row in rows] == [("longcot", length) for length in lengths]
        assert all(row[key] > 0 for row in rows for key in ("tokens_per_s", "peak_memory_gb"))
    assert rows[0]["traces"] == [500, 800, 600]
