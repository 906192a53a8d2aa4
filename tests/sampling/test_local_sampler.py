import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from longcot.files.errors import BadInput
from longcot.sampling.local import LocalSampler, batch_seed
from longcot.sampling.requests import OVERFLOW
from longcot.sampling.settings import Sampling

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def adapter(tiny_model, tmp_path_factory):
    """An adapter that changes the model a lot."""
    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


def test_a_batch_repeats_and_seeds_differ(sampler):
    prompts = [ask("What is 1 + 1?"), ask("Hello")]
    first = sampler.sample(prompts, SAMPLING, 1)
    assert first == sampler.sample(prompts, SAMPLING, 1) != sampler.sample(prompts, SAMPLING, 2)
    assert len({batch_seed(0, "m", a, b, c) for a in ("", "x") for b in range(3) for c in ("", "join")}) == 12
    assert batch_seed(1, "m", "", 2) == 269204148394556556  # traces on disk were sampled with it


def test_no_hidden_settings(sampler):
    # The model's own file says top_k 1, with which every draw would be the same.
    draws = {sampler.sample([ask("hi")], SAMPLING, seed)[0].text for seed in range(4)}
    assert len(draws) == 4
    greedy = Sampling(temperature=0.0, max_tokens=20)
    (ours,) = sampler.sample([ask("hi")], greedy, 0)
    ids = sampler.tokenizer("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    for _ in range(20):  # greedy by hand: no repetition penalty
        ids = torch.cat([ids, sampler.base(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
        if ids[0, -1].item() in sampler.stops:
            break
    assert ours.text == sampler.tokenizer.decode(ids[0, start:], skip_special_tokens=True)
    assert (ours.prompt_tokens, ours.completion_tokens) == (start, ids.shape[1] - start)


def test_padding_does_not_change_a_response(sampler):
    greedy = Sampling(temperature=0.0, max_tokens=15)
    short, long = ask("hi"), ask("What is 1 + 1 + 1 + 1 + 1 + 1 + 1?")
    assert sampler.sample([short, long], greedy, 0)[0] == sampler.sample([short], greedy, 0)[0]


@pytest.mark.parametrize("stop", ["<|im_end|>", "<|endoftext|>"])
def test_stops_at_the_end_of_the_turn(tiny_model, stop, monkeypatch):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    token = sampler.tokenizer.convert_tokens_to_ids(stop)
    forward = sampler.model.forward

    def ends_at_third(*args, **kwargs):
        out = forward(*args, **kwargs)
        calls.append(1)
        out.logits[:, -1] = -10.0
        out.logits[:, -1, token if len(calls) == 3 else 40] = 10.0
        return out

    calls: list[int] = []
    monkeypatch.setattr(sampler.model, "forward", ends_at_third)
    (done,) = sampler.sample([ask("hi")], Sampling(temperature=0.0, max_tokens=10), 0)
    assert (done.finish_reason, done.completion_tokens) == ("stop", 3)
    assert stop not in done.text and done.text


def test_the_context_is_the_limit(sampler):
    # 256 tokens of context; bytes are tokens here.
    sampling = Sampling(temperature=1.0, max_tokens=200)
    long, short = sampler.sample([ask("9" * 200), ask("hi")], sampling, 3)
    assert long.finish_reason == "length" and long.prompt_tokens + long.completion_tokens == 256
    assert short.completion_tokens > long.completion_tokens
    over, beside = sampler.sample([ask("9" * 400), ask("hi")], sampling, 3)
    assert (over.text, over.finish_reason, over.completion_tokens) == ("", OVERFLOW, 0) and over.prompt_tokens > 400
    assert beside == sampler.sample([ask("hi")], sampling, 3)[0]


def test_a_study_may_bound_the_context(tiny_model):
    bounded = LocalSampler(tiny_model, threads=1, device="cpu", context=100)
    (done,) = bounded.sample([ask("hi")], Sampling(temperature=1.0, max_tokens=200), 3)
    assert done.finish_reason == "length" and done.prompt_tokens + done.completion_tokens == 100


def test_adapters_come_and_go(sampler, adapter, tiny_model):
    greedy = Sampling(temperature=0.0, max_tokens=12)
    base = sampler.sample([ask("hi")], greedy, 0)
    sampler.use_adapter(adapter)
    merged = sampler.sample([ask("hi")], greedy, 0)
    sampler.use_adapter(None)
    assert sampler.sample([ask("hi")], greedy, 0) == base != merged
    half = LocalSampler(tiny_model, dtype="bfloat16", threads=1, device="cpu")
    before = half.sample([ask("hi")], greedy, 0)
    weights = {name: value.clone() for name, value in half.base.state_dict().items()}
    for _ in range(2):
        half.use_adapter(adapter)
        assert half.sample([ask("hi")], greedy, 0) != before
    half.use_adapter(None)
    assert half.sample([ask("hi")], greedy, 0) == before
    assert all(torch.equal(weights[name], value) for name, value in half.base.state_dict().items())


def test_wrong_models_and_adapters(sampler, adapter, tmp_path):
    with pytest.raises(BadInput, match="cannot load"):
        LocalSampler(tmp_path / "nothing")
    with pytest.raises(BadInput, match="adapter_config"):
        sampler.use_adapter(tmp_path)
    from conftest import make_model

    other = LocalSampler(make_model(tmp_path / "other", hidden=32), threads=1, device="cpu")
    with pytest.raises(BadInput, match="does not fit"):
        other.use_adapter(adapter)
