import hashlib

import pytest
from transformers import AutoTokenizer

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.grading.extraction import extract_answer
from longcot.models.chat import render
from longcot.problems.miniature.world import World
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages, edit_messages, style_version
from longcot.problems.wordings import EDITS, STYLES

PROBLEM = Problem(id="p", problem="Find {x} in {problem} if \\frac{x}{2}=1.", expected_answer="2")


def test_zero_shot_keeps_braces():
    (message,) = build_messages("zero_shot", PROBLEM)
    assert message["content"].startswith(PROBLEM.problem) and "\\boxed{}" in message["content"]
    (own,) = build_messages("zero_shot", PROBLEM, template="Q: {problem} {A}")
    assert own["content"] == f"Q: {PROBLEM.problem} {{A}}"


@pytest.mark.parametrize("style", ["zero_shot", "reasoning_style", "outline"])
def test_every_style_holds_the_problem_and_asks_for_a_box(style):
    system, user = build_messages(style, PROBLEM, system="S")
    assert (system["content"], user["role"]) == ("S", "user")
    assert user["content"].count(PROBLEM.problem) == 1 and "\\boxed{}" in user["content"]
    changed = build_messages(style, PROBLEM, template="Q: {problem}")[0]["content"] != user["content"]
    assert changed == (style == "zero_shot")  # a study's own template leaves the other styles alone


def test_an_edit_gives_the_trace_back_as_it_is():
    """Braces, format characters and the very marks of a template within a trace stand for themselves."""
    trace = "Try {problem} and {trace}, \\frac{1}{2}, {0}, {x!r}, %s, $1 \\g<1>: \\boxed{7}"
    for name in EDITS:
        system, user = edit_messages(name, PROBLEM, trace, system="S")
        assert system == {"role": "system", "content": "S"} and user["role"] == "user"
        assert user["content"].count(trace) == 1 and user["content"].count(PROBLEM.problem) == 1
        assert user["content"].index(PROBLEM.problem) < user["content"].index(trace)
        assert user["content"].endswith("nothing else.") and "\\boxed{}" in user["content"]
    assert list(EDITS) == ["explore", "verify", "backtrack", "join", "paraphrase"]


def test_no_prompt_answers_itself():
    """A model that echoes its prompt must not be graded by what the wording says."""
    for template in (STYLES | EDITS).values():
        assert not extract_answer(template.text)


def test_a_changed_wording_has_a_new_version():
    """Manifests name the version, so a text may change only together with it: then write the new pair here."""
    digests = {
        style_version(name): hashlib.sha256(template.text.encode()).hexdigest()[:8]
        for name, template in (STYLES | EDITS).items()
    }
    assert digests == {
        "zero_shot/1": "1a0796c0",
        "few_shot/1": "1a0796c0",
        "reasoning_style/1": "7c90affb",
        "outline/1": "67a1f83c",
        "explore/1": "f908806b",
        "verify/1": "ac5f201b",
        "backtrack/1": "4445a6dc",
        "join/1": "c175339d",
        "paraphrase/1": "42795eec",
    }


def test_the_miniature_has_room_for_every_wording():
    """Its context is 1,024 tokens: an edit of its longest trace must fit, with room for the new one."""
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "lib/longcot/miniature/weights/world1/base")
    solved = max(World(1).split("train"), key=lambda one: len(one.problem.problem) + len(one.long))
    prompts = [edit_messages(name, solved.problem, solved.long) for name in EDITS]
    prompts += [build_messages(style, solved.problem) for style in STYLES if style != "few_shot"]
    for messages in prompts:
        length = len(tokenizer(render(tokenizer, messages, add_generation_prompt=True))["input_ids"])
        assert length <= 1024 - 256


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
        ("explore", {}),
    ],
)
def test_bad_input(style, more):
    with pytest.raises(BadInput):
        build_messages(style, PROBLEM, **more)


def test_an_unknown_pass_is_named():
    with pytest.raises(BadInput, match="'polish' is not known; use one of explore, verify, backtrack, join"):
        edit_messages("polish", PROBLEM, "t")
    with pytest.raises(BadInput, match="'polish' is not known"):
        style_version("polish")


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
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.chat_template = (
        "{{- bos_token }}{%- for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}{% else %}"
        "[{{ m['content'] }}]{% endif %}{%- endfor %}"
    )
    assert render(tokenizer, user, add_generation_prompt=False) == "<|endoftext|>[hi]"
    tokenizer.chat_template = None
    assert render(tokenizer, user, add_generation_prompt=True) == "Problem:\nhi\n\nSolution:\n"
