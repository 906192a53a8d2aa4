import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from longcot.sampling.local import LocalSampler
from longcot.sampling.settings import Sampling
from longcot.sampling.steered import Rule, SteeredSampler, draw

PROMPTS = [[{"role": "user", "content": text}] for text in ("Q", "A longer question: what is 2 and 3?", "Why?")]
GREEDY = Sampling(temperature=0.0, max_tokens=20)
WARM = Sampling(temperature=1.0, top_p=0.9, max_tokens=20)


@pytest.fixture(scope="module")
def adapter(tiny_model, tmp_path_factory):
    """A random adapter of the tiny model."""
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(base, config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def steered(tiny_model, adapter):
    sampler = SteeredSampler(tiny_model, threads=1, device="cpu")
    sampler.use_adapter(adapter)

    def run(by, bound=0.0, sampling=WARM, prompts=PROMPTS):
        return sampler.steered(prompts, Rule(by=by, share=0.0, bound=bound), sampling, seed=5)

    return run


def texts(found):
    return [one.completion.text for one in found]


def test_each_model_alone_is_itself(tiny_model, adapter, steered):
    """Also with prompts of different lengths in one batch: each model goes along with the other's cache apart."""
    plain = LocalSampler(tiny_model, threads=1, device="cpu")
    for by, folder in (("base", None), ("adapter", adapter)):
        plain.use_adapter(folder)
        found = steered(by, sampling=GREEDY)
        assert texts(found) == [one.text for one in plain.sample(PROMPTS, GREEDY, 0)]
        lengths = [one.completion.completion_tokens for one in found]
        assert [one.chosen for one in found] == (lengths if by == "adapter" else [0, 0, 0])
    assert texts(steered("base")) != texts(steered("base", sampling=GREEDY)), "it draws"


def test_the_bound_says_who_chooses(steered):
    assert steered("divergence", bound=float("inf")) == steered("base")
    assert texts(steered("divergence", bound=-1.0)) == texts(steered("adapter"))
    some = [steered("divergence", bound=bound, sampling=GREEDY) for bound in (1.0, 2.0, 4.0, 8.0)]
    chosen = [sum(one.chosen for one in found) for found in some]
    assert chosen == sorted(chosen, reverse=True) and 0 < chosen[1] < chosen[0]
    assert all(one.changed <= one.chosen <= one.completion.completion_tokens for found in some for one in found)
    assert texts(steered("chance", bound=0.0)) == texts(steered("base"))
    assert texts(steered("chance", bound=1.0)) == texts(steered("adapter"))
    assert 0 < sum(one.chosen for one in steered("chance", bound=0.5)) < 60


def test_a_prompt_that_fills_the_context_is_no_response(steered):
    prompts = [PROMPTS[0], [{"role": "user", "content": "x" * 300}], PROMPTS[2]]
    first, full, last = steered("adapter", sampling=GREEDY, prompts=prompts)
    assert full.completion.finish_reason == "overflow" and full.chosen == 0
    assert texts([first, last]) == texts(steered("adapter", sampling=GREEDY, prompts=[PROMPTS[0], PROMPTS[2]]))


def test_draws_follow_the_distribution_within_top_p():
    chances = torch.tensor([0.05, 0.5, 0.15, 0.3])
    u = (torch.arange(1000) + 0.5) / 1000
    drawn = draw(chances.log().expand(1000, 4), 1.0, 0.79, u).bincount(minlength=4) / 1000
    torch.testing.assert_close(drawn, torch.tensor([0, 0.625, 0, 0.375]), atol=0.002, rtol=0)
    whole = draw(chances.log().expand(1000, 4), 1.0, 1.0, u).bincount(minlength=4) / 1000
    torch.testing.assert_close(whole, chances, atol=0.002, rtol=0)
    cold = draw(chances.log().expand(1000, 4), 0.5, 1.0, u).bincount(minlength=4) / 1000
    torch.testing.assert_close(cold, chances**2 / (chances**2).sum(), atol=0.002, rtol=0)
    assert draw(chances.log()[None], 0.0, 0.1, u[:1]).tolist() == [1]
