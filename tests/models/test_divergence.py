"""Base and adapter on the same tokens: against all logits at once; a layer that is off against weights of zero."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from longcot.models.divergence import MEASURES, NONE, OUTSIDE, adapter_parts, token_divergence

SIZES = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "pad_token_id": 0}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2}
IDS = torch.randint(1, 300, (40,), generator=torch.Generator().manual_seed(1)).tolist()
START = 7


def tuned(kind: str, **lora):
    """A random model with a random adapter on its linear layers."""
    torch.manual_seed(0)
    more = {"final_logit_softcapping": 3.0, "head_dim": 16, "sliding_window": 16} if kind == "gemma2" else {}
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES | more))
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM", **lora)
    return get_peft_model(base, config).eval()


@pytest.fixture(scope="module", params=["qwen2", "gemma2"])
def model(request):
    """Of two families, one of which caps its logits."""
    return tuned(request.param)


def direct(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([IDS])).logits[0, START - 1 : -1].double().log_softmax(-1)


def test_all_logits_at_once_say_the_same(model):
    after = direct(model)
    with model.disable_adapter():
        before = direct(model)
    (found,) = token_divergence(model, IDS, START)
    assert found.keys() == set(MEASURES)
    near = {"rtol": 1e-4, "atol": 1e-5}
    kl = (after.exp() * (after - before)).sum(-1)
    torch.testing.assert_close(found["divergence"].double(), kl, **near)
    assert kl.min() > 0.01
    for name, logprobs in (("base", before), ("adapter", after)):
        own = logprobs[torch.arange(len(logprobs)), IDS[START:]]
        torch.testing.assert_close(found[f"{name}_logprob"].double(), own, **near)
        order = logprobs.argsort(-1, descending=True)
        ranks = (order == torch.tensor(IDS[START:])[:, None]).int().argmax(-1) + 1
        assert found[f"{name}_rank"].tolist() == ranks.tolist()
        assert found[f"{name}_choice"].tolist() == order[:, 0].tolist()


@pytest.mark.parametrize("piece", [1, 10, 33])
def test_in_pieces_it_is_the_same(model, piece):
    (whole,), (parts,) = token_divergence(model, IDS, START), token_divergence(model, IDS, START, piece=piece)
    for name in MEASURES:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_off_has_weights_of_zero(model):
    before = token_divergence(model, IDS, START)[0]["divergence"]
    assert list(adapter_parts(model)) == ["0", "1"]
    whole, *without = token_divergence(model, IDS, START, [NONE, "0", "1"])
    for layer, found in enumerate(without):
        zeroed = copy.deepcopy(model)
        for name, weights in zeroed.named_parameters():
            if "lora_" in name and f".layers.{layer}." in name:
                weights.data.zero_()
        (expected,) = token_divergence(zeroed, IDS, START)
        for name in MEASURES:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(found["divergence"], whole["divergence"], rtol=0.01)
    assert torch.equal(token_divergence(model, IDS, START)[0]["divergence"], before), "all of it is on again"


def test_what_is_trained_outside_the_layers_is_a_part_of_its_own():
    model = tuned("qwen2", modules_to_save=["lm_head"])
    with torch.no_grad():
        head = model.get_base_model().lm_head.modules_to_save["default"].weight
        head.add_(torch.randn(head.shape, generator=torch.Generator().manual_seed(2)))
    assert set(adapter_parts(model)) == {"0", "1", OUTSIDE}
    whole, without = token_divergence(model, IDS, START, [NONE, OUTSIDE])
    with torch.no_grad():
        head.copy_(model.get_base_model().lm_head.original_module.weight)
    (expected,) = token_divergence(model, IDS, START)
    torch.testing.assert_close(without["divergence"], expected["divergence"])
    assert not torch.allclose(without["divergence"], whole["divergence"], rtol=0.01)
