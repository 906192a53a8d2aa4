"""How a model is spoken to: its own template, a named one or a file's, and what each tokenizer makes of it."""

import pytest
from chat_families import ANSWER, FAMILIES, QUESTION, tokenizer_of

from longcot.files.errors import BadInput
from longcot.models.chat import render, reopened, stop_texts, turn_end, turn_generation_config
from longcot.models.templates import spoken_as, template_name, with_template
from longcot.qlora.tokens import IGNORED, tokenize

USER = [{"role": "user", "content": QUESTION}]
SAID = {"role": "assistant", "content": ANSWER}
TOKENS = ("<s>", "</s>")


def loss(tokenizer, *messages) -> str:
    return tokenizer.decode([label for label in tokenize(list(messages), tokenizer)[1] if label != IGNORED])


def test_a_base_without_a_template_is_spoken_to_in_plain_text():
    base = tokenizer_of("", TOKENS, "</s>")
    assert (template_name(base), spoken_as(base)) == ("plain", "plain, as the model has no template")
    for tokenizer in (base, with_template(base), with_template(base, "plain")):
        assert render(tokenizer, USER, add_generation_prompt=True) == "Problem:\n2+3?\n\nSolution:\n"
        assert turn_end(tokenizer) == "</s>" and stop_texts(tokenizer) == ["\nProblem:"]
        assert loss(tokenizer, *USER, SAID) == ANSWER + "</s>"
    assert base.chat_template is None and spoken_as(base, "plain") == "plain"
    shown = render(base, [*USER, SAID, *USER], add_generation_prompt=True)
    assert shown == f"Problem:\n2+3?\n\nSolution:\n{ANSWER}\n\nProblem:\n2+3?\n\nSolution:\n"
    with pytest.raises(BadInput, match="chat_template: own, but this model has none; say plain, chatml or a file"):
        with_template(base, "own")


def test_a_study_chooses_a_template(tmp_path):
    own = tokenizer_of(
        FAMILIES["gemma3"].template, (*FAMILIES["gemma3"].special, "<|im_start|>", "<|im_end|>"), "<eos>"
    )
    assert with_template(own) is own is with_template(own, "own") and spoken_as(own) == spoken_as(own, "own") == ""
    chatml = with_template(own, "chatml")
    assert render(chatml, USER, add_generation_prompt=True) == FAMILIES["chatml"].sent
    assert turn_end(chatml) == "<|im_end|>" and turn_end(own) == "<end_of_turn>"
    file = tmp_path / "mine.jinja"
    file.write_text("{% for m in messages %}{{ m.role }}> {{ m.content }}{{ eos_token }}{% endfor %}assistant> ")
    mine = with_template(own, str(file))
    assert render(mine, USER, add_generation_prompt=True) == "user> 2+3?<eos>assistant> "
    assert spoken_as(own, str(file)) == "mine.jinja"
    with pytest.raises(BadInput, match="no template in chatm; say own, chatml, plain, or give a Jinja file"):
        with_template(own, "chatm")


def test_a_named_template_begins_as_the_tokenizer_begins_any_text():
    from tokenizers.processors import TemplateProcessing

    base = tokenizer_of("", TOKENS, "</s>", "<s>")
    assert not render(base, USER, add_generation_prompt=True).startswith("<s>")
    base.backend_tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 256)])
    for choice in ("plain", "chatml"):
        assert render(with_template(base, choice), USER, add_generation_prompt=True).startswith("<s>")


def test_markers_that_are_no_tokens_end_a_turn_as_text():
    base = with_template(tokenizer_of("", TOKENS, "</s>"), "chatml")
    assert turn_end(base) == "</s>" and stop_texts(base) == ["<|im_end|>"]
    assert loss(base, *USER, SAID) == ANSWER + "</s>"


@pytest.mark.parametrize(
    "template, words",
    [
        (
            "{% for m in messages if m.role != 'assistant' %}{{ m.content }}{% endfor %}",
            "not put what the assistant says",
        ),
        ("{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}\n{% endif %}{% endfor %}", "system prompt"),
        (
            "{{ raise_exception('no') }}",
            "refuses a conversation of system, user \\(no\\); change prompt.system, or give",
        ),
        ("{% for m in messages %}{{ m.content + m.name }}{% endfor %}", "refuses a conversation of system, user"),
    ],
)
def test_what_a_template_cannot_do_is_told_in_a_line(template, words):
    tokenizer = tokenizer_of(template, TOKENS, "</s>")
    messages = [{"role": "system", "content": "Be brief."}, *USER]
    with pytest.raises(BadInput, match=words) as found:
        render(tokenizer, messages, add_generation_prompt=True)
        tokenize([*messages, SAID], tokenizer)
    assert "\n" not in str(found.value)


def test_a_template_for_questions_alone_is_good_for_sampling():
    asked = "(messages | selectattr('role', 'equalto', 'user') | list)[-1].content"
    tokenizer = tokenizer_of("Q: {{ " + asked + " }}\nA:", TOKENS, "</s>")
    assert render(tokenizer, USER, add_generation_prompt=True) == "Q: 2+3?\nA:"
    assert turn_end(tokenizer) == "</s>" and stop_texts(tokenizer) == []
    with pytest.raises(BadInput, match="cannot be trained on with this chat template .it does not put what the assist"):
        tokenize([*USER, SAID], tokenizer)


def test_a_last_turn_may_end_otherwise_than_earlier_ones():
    """As gpt-oss has it, whose default system turn stands beside the one that is given."""
    template = (
        "{{ '<s>system: kind<e>' }}{% for m in messages %}{{ '<s>' + m.role + ': ' + m.content }}"
        "{{ '</s>' if loop.last and m.role == 'assistant' else '<e>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}"
    )
    tokenizer = tokenizer_of(template, (*TOKENS, "<e>"), "</s>")
    assert render(tokenizer, USER, add_generation_prompt=True) == "<s>user: 2+3?<e><s>assistant: "
    assert turn_end(tokenizer) == "</s>" and loss(tokenizer, *USER, SAID) == ANSWER + "</s>"
    with pytest.raises(BadInput, match="ends earlier turns otherwise; give conversations of one turn"):
        tokenize([*USER, SAID, *USER, SAID], tokenizer)


def test_a_default_system_prompt_that_cannot_be_left_out_is_refused():
    within = (  # as Llama 2's templates had one, within the first question
        "{% set s = messages[0].content if messages[0].role == 'system' else 'You are kind.' %}"
        "{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}{{ '[INST] ' }}"
        "{{ '<<SYS>>' + s + '<</SYS>> ' if loop.first else '' }}{{ m.content + ' [/INST]' }}{% else %}"
        "{{ m.content + eos_token }}{% endif %}{% endfor %}"
    )
    always = "{{ '<s>You are kind.\n' }}" + FAMILIES["olmo2"].template.replace("{{ bos_token }}", "")
    always = always.replace("in messages", "in messages if m.role != 'system'")
    for template, words in ((within, "within the user's turn"), (always, "always says '<s>You are kind")):
        tokenizer = tokenizer_of(template, TOKENS, "</s>")
        with pytest.raises(BadInput, match=words):
            render(tokenizer, USER, add_generation_prompt=True)
    given = [{"role": "system", "content": "Be brief."}, *USER]
    assert render(tokenizer_of(within, TOKENS, "</s>"), given, add_generation_prompt=True).count("You are kind") == 0


def test_a_preface_of_a_template_that_takes_no_system_prompt_stays():
    alpaca = (
        "{{ 'Below is a task.\n\n' }}{% for m in messages %}{{ '### ' + ('Task' if m.role == 'user' else 'Response') }}"
        "{{ ':\n' + m.content + ('</s>' if m.role == 'assistant' else '') + '\n\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
    ).replace("in messages", "in messages if m.role != 'system'")
    sent = render(tokenizer_of(alpaca, TOKENS, "</s>"), USER, add_generation_prompt=True)
    assert sent == "Below is a task.\n\n### Task:\n2+3?\n\n### Response:\n"


def test_a_turn_has_the_tokens_that_a_model_would_write():
    """A tokenizer of the SentencePiece kind puts a space before a text, not before its continuation."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        token: number for number, token in enumerate(["<unk>", "<s>", "</s>", "[INST]", "[/INST]", *"▁2+3?5"])
    }
    raw = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    raw.add_special_tokens(["<s>", "</s>", "[INST]", "[/INST]"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = FAMILIES["mistral-v0.3"].template.replace("' ' + m.content", "m.content")
    ids, labels = tokenize([*USER, {"role": "assistant", "content": "5"}], tokenizer)
    sent = tokenizer(render(tokenizer, USER, add_generation_prompt=True), add_special_tokens=False)["input_ids"]
    whole = tokenizer("<s>[INST] 2+3?[/INST]5</s>", add_special_tokens=False)["input_ids"]
    assert ids == whole and ids[: len(sent)] == sent and labels == [IGNORED] * len(sent) + whole[len(sent) :]


def test_the_turn_s_end_and_all_other_stops_are_saved():
    tokenizer = tokenizer_of(FAMILIES["gemma3"].template, FAMILIES["gemma3"].special, "<eos>")
    end, eos = tokenizer.convert_tokens_to_ids(["<end_of_turn>", "<eos>"])
    assert turn_generation_config(tokenizer, [7, eos]).eos_token_id == sorted({7, eos, end})


def test_a_tag_that_the_prompt_opened_stands_before_the_response_once():
    assert reopened("Add.</think>5", "<think>\n") == "<think>\nAdd.</think>5"
    assert reopened("<think>Add.</think>5", "<think>\n") == "<think>Add.</think>5"
