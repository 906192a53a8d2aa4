"""The loop for a CPU gives the tokens of transformers' own, with less work."""

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GenerationConfig, StaticCache

from longcot.sampling import same_bits
from longcot.sampling.decoding import BLOCK, ROWS, decode, reserved_cache, shrinks_by
from longcot.sampling.local import LocalSampler
from longcot.sampling.same_bits import attention_same_to, products_same, prompts_same

LENGTHS = [*range(3, 130, 6), 130, 130, 20]  # tokens of each row's response


@pytest.mark.parametrize("sampled", [True, False])
def test_tokens_are_those_of_generate(tiny_model, sampled, monkeypatch):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    model, stop, rows = sampler.model, sampler.stops[0], len(LENGTHS)
    widths = [5 + n % 7 for n in range(rows)]
    torch.manual_seed(3)
    ids = torch.tensor([[stop] * (12 - width) + torch.randint(5, 300, (width,)).tolist() for width in widths])
    mask = torch.tensor([[0] * (12 - width) + [1] * width for width in widths])
    how = {"max_new_tokens": 130, "eos_token_id": stop, "pad_token_id": stop, "do_sample": sampled, "top_k": 0}
    config = GenerationConfig(**how, **({"temperature": 0.8, "top_p": 0.9} if sampled else {}))

    class Ends:
        """Each row, known by its prompt, ends at its length."""

        def __call__(self, ids: torch.Tensor, scores: torch.Tensor, **_) -> torch.Tensor:
            return torch.tensor([ids.shape[1] - 12 >= of[tuple(row[:12].tolist())] for row in ids])

    of = {tuple(row.tolist()): length for row, length in zip(ids, LENGTHS, strict=True)}
    seen, forward = [], model.forward

    def watched(**given):
        seen.append(given["attention_mask"]["full_attention"].shape)
        return forward(**given)

    monkeypatch.setattr(model, "forward", watched)

    def tokens(cache, **more):
        torch.manual_seed(7)
        given = {"past_key_values": cache, "generation_config": config, "stopping_criteria": [Ends()]}
        with torch.inference_mode():
            return model.generate(ids, attention_mask=mask, **given, **more)

    whole = tokens(StaticCache(model.config, max_cache_len=142))
    seen.clear()
    assert torch.equal(tokens(reserved_cache(model, 142), custom_generate=decode), whole)
    step = shrinks_by(model, 25)
    assert {shape[0] for shape in seen} == {25, *range(step, 25, step)}, "ended rows leave"
    until = attention_same_to(model.config, torch.float32, 142, BLOCK)
    blocks = {142, *([BLOCK + 14] if until > 13 else [])}  # the second block, and what is beyond whole vectors, is all
    assert {shape[-1] for shape in seen} == blocks, "what is in use is attended to"


def test_a_prompt_that_several_rows_have_is_read_once(tiny_model, monkeypatch):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    model, stop = sampler.model, sampler.stops[0]
    torch.manual_seed(4)
    widths = [20, 9, 16, 20, 11, 13]
    rows = [[stop] * (20 - width) + torch.randint(5, 300, (width,)).tolist() for width in widths]
    ids = torch.tensor(rows).repeat_interleave(4, 0)[torch.randperm(24)]
    mask, seen, forward = (ids != stop).long(), [], model.forward
    how = {"max_new_tokens": 30, "eos_token_id": stop, "pad_token_id": stop, "do_sample": True, "top_k": 0}

    def watched(**given):
        seen.append(tuple(given["input_ids"].shape))
        return forward(**given)

    monkeypatch.setattr(model, "forward", watched)

    def tokens(cache, **more):
        torch.manual_seed(7)
        given = {"past_key_values": cache, "generation_config": GenerationConfig(**how)}
        with torch.inference_mode():
            return model.generate(ids, attention_mask=mask, **given, **more)

    whole = tokens(StaticCache(model.config, max_cache_len=50))
    assert len({tuple(row) for row in whole.tolist()}) > 6 and seen[0] == (24, 20), "rows of a prompt go their own ways"
    seen.clear()
    assert torch.equal(tokens(reserved_cache(model, 50), custom_generate=decode), whole)
    assert prompts_same(model, 120) and seen[0] == (6, 20) and seen[1] == (24, 1)
    assert not prompts_same(model, 63), "kernels of a few rows may round otherwise"
    attention = F.scaled_dot_product_attention
    by_rows = lambda q, k, v, **how: attention(q, k, v, **how) * (1 + 1e-6 * len(q))  # noqa: E731
    monkeypatch.setattr(F, "scaled_dot_product_attention", by_rows)
    same_bits._attention_same.cache_clear()
    assert not prompts_same(model, 120)
    same_bits._attention_same.cache_clear()


def test_a_model_that_keeps_a_window_has_no_such_cache(tiny_model):
    window = Gemma3TextConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        vocab_size=50,
        layer_types=["sliding_attention", "full_attention"],
    )
    assert reserved_cache(AutoModelForCausalLM.from_config(window), 100) is None
    assert reserved_cache(AutoModelForCausalLM.from_pretrained(tiny_model), 100) is not None


def test_other_bits_are_seen(tiny_model, monkeypatch):
    """On a machine whose kernels go by the size of what they are given."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    if torch.backends.cpu.get_cpu_capability() == "AVX2":  # others differ in this; what is tried out is then not used
        assert products_same(model, 24, ROWS[0]) and not products_same(model, 3, 1)
        assert all(attention_same_to(model.config, torch.float32, size, BLOCK) == size for size in range(440, 460))
    attention = F.scaled_dot_product_attention
    by_size = lambda q, k, v, **how: attention(q, k, v, **how) * (1 + 1e-6 * k.shape[2])  # noqa: E731
    monkeypatch.setattr(F, "scaled_dot_product_attention", by_size)
    assert attention_same_to(model.config, torch.float32, 151, BLOCK) == 0
    assert {layer.until for layer in reserved_cache(model, 151).layers} == {0}

    def by_use(q, k, v, attn_mask):
        return attention(q, k, v, attn_mask) * (1 + (attn_mask.sum() > 100) * k.shape[2] * 1e-6)

    monkeypatch.setattr(F, "scaled_dot_product_attention", by_use)
    assert 95 < attention_same_to(model.config, torch.float32, 152, BLOCK) <= 100
