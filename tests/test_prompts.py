import pytest
from transformers import AutoTokenizer

from longcot.errors import BadInput
from longcot.problems import Problem
from longcot.prompts import build_messages, render

PROBLEM = Problem(id="p", problem="Find {x} in {problem} if \\frac{x}{2}=1.", expected_answer="2")


def test_zero_shot_keeps_braces():
    (message,) = build_messages("zero_shot", PROBLEM)
    assert message["content"].startswith(PROBLEM.problem) and "\\boxed{}" in message["content"]
    (own,) = build_messages("zero_shot", PROBLEM, template="Q: {problem} {A}")
    assert own["content"] == f"Q: {PROBLEM.problem} {{A}}"


def test_few_shot_puts_examples_first():
    messages = build_messages("few_shot", PROBLEM, system="S", template="{problem}", examples=[("a", "b"), ("c", "d")])
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in messages] == ["S", "a", "b", "c", "d", PROBLEM.problem]


@pytest.mark.parametrize(
    "style, more",
    [
        ("nonsense", {}),
        ("few_shot", {}),
        ("zero_shot", {"examples": [("a", "b")]}),
        ("zero_shot", {"template": "no place for it"}),
    ],
)
def test_bad_input(style, more):
    with pytest.raises(BadInput):
        build_messages(style, PROBLEM, **more)


def test_no_system_prompt_means_none(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    user = [{"role": "user", "content": "hi"}]
    assert "You are a default." in tokenizer.apply_chat_template(user, tokenize=False)  # the trap
    bare = "<|im_start|>user\nhi<|im_end|>\n"
    assert render(tokenizer, user, add_generation_prompt=False) == bare
    assert render(tokenizer, user, add_generation_prompt=True) == bare + "<|im_start|>assistant\n"
    own = render(tokenizer, [{"role": "system", "content": "S"}, *user], add_generation_prompt=False)
    assert own == "<|im_start|>system\nS<|im_end|>\n" + bare
    tokenizer.chat_template = (
        "{%- for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ m['content'] }}]{%- endfor %}"
    )
    assert render(tokenizer, user, add_generation_prompt=False) == "[hi]"
    tokenizer.chat_template = None
    with pytest.raises(BadInput, match="chat template"):
        render(tokenizer, user, add_generation_prompt=True)
