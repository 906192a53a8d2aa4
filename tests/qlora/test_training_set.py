"""Conversations as tokens, and which of them are learnt."""

import json

import pytest
from conftest import CHATML
from transformers import AutoTokenizer

from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages
from longcot.qlora.tokens import read_training_set, tokenize
from longcot.qlora.trainer import IGNORED
from longcot.sampling.local import LocalSampler
from longcot.sampling.settings import Sampling


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return AutoTokenizer.from_pretrained(tiny_model)


def test_loss_on_the_assistant_alone_token_by_token(tokenizer):
    ids, labels = tokenize(turns("Hi", "Yes", "And?", "No"), tokenizer, 200)
    pieces = [
        ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", False),
        ("Yes<|im_end|>", True),
        ("\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n", False),
        ("No<|im_end|>", True),
    ]
    expected = [(token, learnt) for text, learnt in pieces for token in tokenizer(text)["input_ids"]]
    assert ids == [token for token, _ in expected]
    assert labels == [token if learnt else IGNORED for token, learnt in expected]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert ids[-1] == labels[-1] == end != tokenizer.eos_token_id
    assert labels.count(end) == 2 and ids.count(end) == 4


def test_prompts_are_the_same_in_training_and_sampling(tokenizer, tiny_model):
    messages = build_messages("zero_shot", Problem(id="p", problem="1+1", expected_answer="2"))
    sampler = LocalSampler(tiny_model, device="cpu")
    sampled = tokenizer(sampler.prompt_text(messages), add_special_tokens=False)["input_ids"]
    assert sampler.sample([messages], Sampling(temperature=0.0, max_tokens=2), 0)[0].prompt_tokens == len(sampled)
    ids, labels = tokenize([*messages, {"role": "assistant", "content": "2"}], tokenizer, 200)
    assert ids[: len(sampled)] == sampled and labels[: len(sampled)] == [IGNORED] * len(sampled)
    assert IGNORED not in labels[len(sampled) :]


@pytest.mark.parametrize(
    "messages, words",
    [
        (turns("Q", "x" * 300), "limit is 200"),
        (turns("Q"), "assistant"),
        (turns("Q", "a<|im_end|>b"), "early"),
    ],
)
def test_refused_conversations(tokenizer, messages, words):
    with pytest.raises(BadInput, match=words):
        tokenize(messages, tokenizer, 200)


def test_a_template_that_ends_no_turn_is_refused(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    with pytest.raises(BadInput, match="does not end a turn"):
        tokenize(turns("Q", "A"), tokenizer, 200)


def test_a_template_that_ends_a_turn_twice_teaches_one_end(tokenizer, tiny_model):
    """Else a model learns to write its end, and whatever comes before the second one, for ever."""
    twice = AutoTokenizer.from_pretrained(tiny_model)
    twice.chat_template = CHATML.replace(
        "message['content'] + '<|im_end|>", "message['content'] + '<|im_end|><|im_end|>"
    )
    ids, labels = tokenize(turns("Q", "A"), twice, 200)
    learnt = [token for token in labels if token != IGNORED]
    assert learnt == [token for token in tokenize(turns("Q", "A"), tokenizer, 200)[1] if token != IGNORED]
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>") != ids[-2]


def test_a_training_set_is_refused_by_name(tokenizer, tmp_path):
    path = tmp_path / "set.jsonl"
    for text, words in [
        ("", "no trace"),
        (json.dumps({"messages": "hi"}), "set.jsonl:1: no messages"),
        (json.dumps({"problem_id": "p7", "messages": turns("Q", "x" * 300)}), r"set.jsonl:1 \(p7\): .* limit is 100"),
    ]:
        path.write_text(text)
        with pytest.raises(BadInput, match=words):
            read_training_set(path, tokenizer, 100)
