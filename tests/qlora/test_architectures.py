"""Bases whose layers are not those of the Llama family: trained as plain training trains them, or refused by name."""

import json
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from longcot.files.errors import BadInput
from longcot.models.head import head_of
from longcot.models.loading import context_length, empty_model
from longcot.models.nf4 import load_base_4bit
from longcot.qlora import trainer
from longcot.qlora.memory import check_training, training_memory_gb
from longcot.qlora.own_layers import OwnLayers
from longcot.qlora.recomputation import knows
from longcot.qlora.room import HELD
from longcot.qlora.settings import LoraSettings, Share
from longcot.qlora.target_modules import adapt, check_modules
from longcot.qlora.training import train_adapter

SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "initializer_range": 0.2,
}
HEAD = {"head_dim": 16}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
KINDS = {  # and what each is here for
    "gemma2": HEAD | {"final_logit_softcapping": 3.0, "sliding_window": 16},  # a cap on logits, attention in a window
    "gemma3_text": HEAD,  # four norms a layer
    "gemma3": {"text_config": SIZES | HEAD, "vision_config": VISION, "mm_tokens_per_image": 4},  # nested
    "phi3": {},  # queries, keys and values in one module
    "gpt_neox": {},  # attention and MLP side by side, biases
    "granite": {"logits_scaling": 4.0, "residual_multiplier": 0.5},  # scales
    "lfm2": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},  # convolutions
    "mamba2": {"state_size": 8, "num_heads": 8, "n_groups": 1} | HEAD,  # no attention and no context
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
REFUSED = {
    "mixtral": EXPERTS,
    "qwen3_moe": EXPERTS | HEAD,
    "falcon": {},  # linear modules of a class of its own
}
SETTINGS = LoraSettings(rank=4, learning_rate=5e-3, epochs=2, batch_size=2, max_length=250, compute_dtype="float32")


def config_of(kind: str, more: dict):
    config = AutoConfig.for_model(kind, **(more if "text_config" in more else SIZES | more))
    if kind == "mamba2":
        del config.max_position_embeddings  # it has none of its own
    return config


def save(kind: str, more: dict, folder) -> None:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config_of(kind, more)).to(torch.bfloat16).save_pretrained(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_trains_as_plain_training_does(kind, tiny_model, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    save(kind, KINDS[kind], tmp_path / "base")
    base, tokenizer = load_base_4bit(tmp_path / "base", "float32"), AutoTokenizer.from_pretrained(tiny_model)
    assert not knows(base.config)
    turns = [("Q0", "Two."), ("Q1", "First three, then a check of it all."), ("Q2", "Five, five, five")]
    rows = [[{"role": "user", "content": ask}, {"role": "assistant", "content": reply}] for ask, reply in turns]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    names = ["in_proj"] if kind == "mamba2" else "all-linear"  # PEFT refuses the other
    settings, found = SETTINGS.model_copy(update={"target_modules": names}), {}
    monkeypatch.setattr("longcot.qlora.trainer.ROWS", 7)
    heads = []
    monkeypatch.setattr(trainer, "head_of", lambda *given: heads.append(1) or head_of(*given))
    keep = lambda layers, *_: setattr(layers, "together", 10_000)  # noqa: E731
    for way, small, room in (("plain", 2**30, None), ("checkpointed", 0, OwnLayers.less), ("kept", 0, keep)):
        monkeypatch.setattr("longcot.qlora.training.SMALL", small)
        monkeypatch.setattr(OwnLayers, "take_room", lambda layers, *_, take=room: take(layers))
        heads.clear()
        report = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / way, settings)
        found[way] = report["loss"], load_file(tmp_path / way / "adapter_model.safetensors")
        passes = {"plain": 0, "checkpointed": 6, "kept": 4}  # in two epochs: of each trace, or of each step
        assert len(heads) == passes[way]
    for way in ("checkpointed", "kept"):
        assert found[way][0] == pytest.approx(found["plain"][0], rel=1e-4)
        for name, weights in found["plain"][1].items():
            assert torch.allclose(found[way][1][name], weights, atol=1e-2 * weights.abs().max().item()), name
        assert all(weights.abs().max() > 0 for weights in found[way][1].values()), "nothing is adapted and not trained"
    assert not base.is_activation_checkpointing


@pytest.mark.parametrize(
    ("kind", "more", "plain"),
    [
        ("gemma3_text", HEAD, True),
        ("phi3", {}, True),
        ("gpt_neox", {}, True),
        ("granite", {"logits_scaling": 4.0}, False),
        ("gemma2", HEAD | {"final_logit_softcapping": 30.0, "initializer_range": 0.005}, False),
    ],
)
def test_a_head_that_is_one_matrix_is_known(kind, more, plain):
    """In 16 bits, in which the cap leaves small logits as they are."""
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_config(config_of(kind, more)).to(torch.bfloat16),
        LoraConfig(target_modules="all-linear"),
    )
    layers = OwnLayers(model)
    output = layers.base.get_decoder()(torch.arange(1, 9)[None], use_cache=False)
    rows = output.last_hidden_state[0]
    assert layers.plain_head(head_of(layers.base, output), rows) is plain
    layers = OwnLayers(model)
    layers.base.get_output_embeddings().weight.requires_grad_(True)
    assert not layers.plain_head(head_of(layers.base, output), rows), "it is trained"


def test_layers_of_their_own_take_what_room_there_is(tmp_path, monkeypatch):
    save("gemma3_text", KINDS["gemma3_text"], tmp_path / "base")
    model = adapt(load_base_4bit(tmp_path / "base", "float32"), SETTINGS)
    monkeypatch.setattr("longcot.qlora.own_layers.free_gpu", lambda: 2e9)  # two layers: as much again as is kept
    monkeypatch.setattr(OwnLayers, "bytes_a_token", lambda *_: 1e5)
    monkeypatch.setattr(type(model.get_base_model()), "device", SimpleNamespace(type="cuda"))
    layers = OwnLayers(model)
    monkeypatch.setattr(layers.base, "activation_checkpointing_enable", lambda offload: None)
    layers.take_room([8000, 900], None)
    assert 8000 < layers.together < 2e9 / HELD / 2e5 and not layers.checkpointed
    assert layers.less() and layers.checkpointed and layers.together == 0  # a step that ran out of memory
    assert not layers.less()
    layers = OwnLayers(model)
    layers.take_room([9500, 900], None)
    assert layers.checkpointed and layers.together == 0


@pytest.mark.parametrize("kind", KINDS)
def test_memory_and_context_are_known_from_the_configuration(kind):
    config = config_of(kind, KINDS[kind])
    assert context_length(config) == (None if kind == "mamba2" else 256)
    settings = SETTINGS.model_copy(update={"target_modules": ["in_proj"] if kind == "mamba2" else "all-linear"})
    row = check_training(config, settings, 100_000, "arm a")
    assert row["host_gb"] == round(config.get_text_config().num_hidden_layers * 100_000 * 64 * 4 / 1e9, 2)
    # What grows with a trace grows in its proportion, and more than its states alone.
    each = [training_memory_gb(config, settings, tokens) * 1e9 for tokens in (50_000, 100_000)]
    assert 64 * 4 * 50_000 < each[1] - each[0] < 100 * 64 * 4 * 50_000


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_that_four_bits_do_not_reach_are_refused(kind, tmp_path):
    with pytest.raises(BadInput, match=rf"{kind}: \d\d0?% of its layers' weights cannot be had in four bits \(\w"):
        check_training(config_of(kind, REFUSED[kind]), SETTINGS, 200, "arm a")
    save(kind, REFUSED[kind], tmp_path / "base")
    with pytest.raises(BadInput, match=r"base: \d\d0?% of its layers' weights cannot be had in four bits"):
        load_base_4bit(tmp_path / "base", "float32")


def test_one_misspelt_module_of_several_is_refused():
    config = config_of("qwen2", {})
    check_modules(config, LoraSettings(target_modules=["q_proj", "down_proj"]))
    check_modules(config, LoraSettings(target_modules="all-linear"))
    check_modules(config, LoraSettings(target_modules=r".*\.(q|v)_proj"))
    for names, words in (
        (["q_proj", "vproj"], "has no module 'vproj'; it has v_proj"),
        (["q_proj", "layers"], "no module 'layers'"),  # one that holds modules is none itself
        (["q_proj", "xyz"], "it has .*down_proj, .*up_proj"),
        (["q_proj", "input_layernorm"], "is not supported"),
        (r".*\.qproj", "name linear layers"),
    ):
        with pytest.raises(BadInput, match=words) as error:
            check_modules(config, LoraSettings(target_modules=names))
        assert "lora.target_modules" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(BadInput, match="incompatible with Mamba"):
        check_modules(config_of("mamba2", KINDS["mamba2"]), LoraSettings())


def adapted(kind: str, **lora) -> set[str]:
    """Where an adapter's matrices are, from the layer on."""
    with torch.device("meta"):
        model = adapt(empty_model(config_of(kind, KINDS.get(kind, {}))), LoraSettings(**lora))
    names = [name for name, weights in model.named_parameters() if weights.requires_grad]
    assert all("lora_" in name for name in names)
    return {name.partition("layers.")[2].partition(".lora")[0] for name in names}


def test_attention_the_mlp_and_layers_by_number_and_share():
    mlp = {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}
    attention = {f"self_attn.{name}_proj" for name in "qkvo"}
    assert adapted("qwen2", target_modules="mlp", layers=[1]) == {f"1.{name}" for name in mlp}
    assert adapted("qwen2", target_modules="attention") == {f"{n}.{name}" for n in (0, 1) for name in attention}
    assert adapted("qwen2", layers=Share(first=0.5)) == {f"0.{name}" for name in attention | mlp}
    assert adapted("qwen2", layers=Share(last=0.1)) == {f"1.{name}" for name in attention | mlp}, "one at least"
    assert adapted("qwen2", target_modules=["q_proj"], layers=[0, 1]) == {"0.self_attn.q_proj", "1.self_attn.q_proj"}
    found = adapted("gpt_neox", target_modules="attention", layers=[0])
    assert found == {"0.attention.query_key_value", "0.attention.dense"}, "the MLP's modules have names like it"
    assert {name[0] for name in adapted("gemma3", target_modules="mlp", layers=[1])} == {"1"}, (
        "not of what it sees with"
    )
    assert adapted("lfm2", target_modules="attention") == {
        f"1.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")
    }


def test_a_layer_or_a_part_that_is_not_there_is_one_line():
    for kind, lora, words in (
        ("qwen2", {"layers": [0, 2]}, "lora.layers: the base has layers 0 to 1, and no layer 2"),
        (
            "mamba2",
            {"target_modules": "attention"},
            "lora.target_modules: the base has no attention of that name; it has",
        ),
    ):
        with pytest.raises(BadInput, match=words):
            check_modules(config_of(kind, KINDS.get(kind, {})), LoraSettings(**lora))
    with pytest.raises(ValueError, match="let the pattern name the layers"):
        LoraSettings(target_modules=r".*q_proj", layers=[0])
    with pytest.raises(ValueError, match="give first or last"):
        Share(first=0.5, last=0.5)
