"""What many families of chat templates are sent, learn and stop on."""

import pytest
from chat_families import ANSWER, FAMILIES, QUESTION, SYSTEM, Family, tokenizer_of

from longcot.files.errors import BadInput
from longcot.models.chat import left_out, render, stop_ids, stop_texts, turn_end
from longcot.qlora.tokens import tokenize
from longcot.qlora.trainer import IGNORED

USER = [{"role": "user", "content": QUESTION}]
SAID = {"role": "assistant", "content": ANSWER}
GIVEN = [{"role": "system", "content": SYSTEM}, *USER]


def made(family: Family):
    return tokenizer_of(family.template, family.special, family.eos, family.bos)


@pytest.fixture(params=FAMILIES, name="family")
def _family(request) -> Family:
    return FAMILIES[request.param]


def learnt(tokenizer, messages) -> tuple[str, str]:
    """(the whole text, what of it carries the loss) of a conversation as it is trained on."""
    ids, labels = tokenize(messages, tokenizer)
    assert all(label in (IGNORED, token) for token, label in zip(ids, labels, strict=True))
    return tokenizer.decode(ids), tokenizer.decode([label for label in labels if label != IGNORED])


def test_what_is_sent_without_and_with_a_system_prompt(family):
    tokenizer = made(family)
    assert render(tokenizer, USER, add_generation_prompt=True) == family.sent
    assert left_out(tokenizer) == family.left_out
    if family.sent_with is None:
        with pytest.raises(BadInput, match="refuses a conversation of system, user"):
            render(tokenizer, GIVEN, add_generation_prompt=True)
    else:
        assert render(tokenizer, GIVEN, add_generation_prompt=True) == family.sent_with


def test_what_stops(family):
    tokenizer = made(family)
    assert turn_end(tokenizer) == family.end and tuple(stop_texts(tokenizer)) == family.stop_texts
    ids = tokenizer.convert_tokens_to_ids([family.end, family.eos])
    assert stop_ids(tokenizer) == sorted(set(ids))
    assert stop_ids(tokenizer, [3, 1]) == sorted({1, 3, *ids})  # several of a generation config stay


def test_what_is_learnt_with_its_thoughts(family):
    tokenizer = made(family)
    for messages, sent in ((USER, family.sent), (GIVEN, family.sent_with)):
        if sent is not None:
            text, loss = learnt(tokenizer, [*messages, SAID])
            assert (text, loss) == (sent + family.loss, family.loss)
            assert text.count("<think>") == text.count("</think>") == 1


def test_a_trace_without_thoughts_is_taught_no_empty_block(family):
    text, loss = learnt(made(family), [*USER, {"role": "assistant", "content": "It is 5."}])
    assert loss.replace(family.end, "").strip() == "It is 5."
    assert text == family.sent + loss


def test_examples_in_the_prompt_keep_their_thoughts(family):
    tokenizer = made(family)
    shown = render(tokenizer, [*USER, SAID, {"role": "user", "content": "1+1?"}], add_generation_prompt=True)
    assert ANSWER in shown and "1+1?" in shown and shown.index(ANSWER) < shown.index("1+1?")
    assert shown.endswith(family.sent[family.sent.index(QUESTION) + len(QUESTION) :])
    said = shown[shown.index(ANSWER) + len(ANSWER) : shown.index("1+1?")]
    assert family.end in said or family.stop_texts


def test_two_turns_are_learnt_as_they_would_be_sent(family):
    tokenizer = made(family)
    other = {"role": "assistant", "content": "<think>\nOne and one.\n</think>\n\n2"}
    text, loss = learnt(tokenizer, [*USER, SAID, {"role": "user", "content": "1+1?"}, other])
    sent = render(tokenizer, [*USER, SAID, {"role": "user", "content": "1+1?"}], add_generation_prompt=True)
    assert text.startswith(sent) and text.endswith("One and one.\n</think>\n\n2" + family.loss.split("5")[-1])
    assert "Add.\n</think>\n\n5" in loss and "One and one." in loss and "1+1?" not in loss
