from transformers import AutoTokenizer

from longcot.models.token_kinds import token_kinds, token_texts

TEXT = "Let me see 1.\nround 1: 3+4=7.\nLet me check: 7. Yes.\nSo the answer is \\boxed{7}."


def kinds(text: str, ends: bool = False) -> dict[str, str]:
    """Of each kind the characters that have it, each being a token."""
    found = token_kinds(list(text), ends)
    return {kind: "".join(sign for sign, own in zip(text, found, strict=True) if own == kind) for kind in set(found)}


def test_each_token_has_one_kind():
    assert kinds(TEXT) == {
        "opening": "Let me see 1.",
        "step": "\nround : +=.\n\nSo the answer is .",
        "digits": "1347",
        "check": "Let me check: 7. Yes.",
        "box": "\\boxed{7}",
    }


def test_the_last_token_of_a_whole_response_is_its_end():
    assert token_kinds(["Hm.", " 7", "<end>"], ends=True) == ["opening", "opening", "end"]
    assert token_kinds(["\n", "\n", "Hm.\n", "x", "4"], ends=False) == ["opening"] * 3 + ["step", "digits"]
    assert token_kinds(["\\boxed{5}"], ends=False) == ["box"]


def test_the_texts_of_tokens_are_the_text(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    text = "Step é 数 😀😀 \ufffd x\n\n  <|im_end|>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    texts = token_texts(tokenizer, ids)
    assert len(texts) == len(ids) and "".join(texts) == text
    assert texts[-1] == "<|im_end|>" and "😀" in texts and "" in texts
