"""Which tokens of a response are learnt, where a study says so."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from transformers import AutoTokenizer

from longcot.files.errors import BadInput
from longcot.grading.extraction import answer_place
from longcot.qlora.settings import Loss
from longcot.qlora.tokens import IGNORED, marked_tokens, read_training_set, tokenize

SAID = "First add 2 and 3. Let me check: it is 5. So 5 it is: \\boxed{5}"
REAL = [
    Path(os.environ.get("LONGCOT_REAL_MODELS", "/nowhere")) / name for name in ("SmolLM2-135M-Instruct", "gemma-3-270m")
]


def turns(text: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": "What is 2+3? Let me check: \\boxed{9}"},
        {"role": "assistant", "content": text},
    ]


@pytest.fixture(params=["tiny", *REAL], ids=lambda one: getattr(one, "name", one))
def tokenizer(request, tiny_model):
    folder = tiny_model if request.param == "tiny" else request.param
    if not folder.is_dir():
        pytest.skip(f"no {folder}; LONGCOT_REAL_MODELS names the folder that it lies in")
    from longcot.models.templates import with_template

    return with_template(AutoTokenizer.from_pretrained(folder))


def test_places_behaviours_and_the_answer(tokenizer):
    ids, every = tokenize(turns(SAID), tokenizer)
    start = next(place for place, label in enumerate(every) if label != IGNORED)
    response = ids[start:]

    def learnt(**loss) -> list[int]:
        same, labels = tokenize(turns(SAID), tokenizer, loss=Loss(**loss))
        assert same == ids and all(label in (token, IGNORED) for token, label in zip(ids, labels, strict=True))
        assert labels[:start] == [IGNORED] * start
        return [place for place, label in enumerate(labels[start:]) if label != IGNORED]

    count = len(response)
    assert learnt(first=3) == [0, 1, 2] and learnt(after=3) == list(range(3, count))
    assert learnt(first=count + 5) == list(range(count)) and learnt(after=count) == []
    for mark, text, within in (
        ("answer", "\\boxed{5}", " \\boxed{5}"),
        ("verification", "Let me check", ". Let me check:"),
    ):
        only = learnt(only=mark)
        said = tokenizer.decode([response[place] for place in only])
        assert text in said and said in within, said
        assert only == list(range(only[0], only[-1] + 1))
        assert learnt(but=mark) == [place for place in range(count) if place not in only], "the turn's end among them"
    assert learnt(only="backward chaining") == [] and len(learnt(but="backward chaining")) == count


def test_each_turn_counts_for_itself(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    ids, labels = tokenize([*turns("abcd"), *turns("wxyz")], tokenizer, loss=Loss(first=2))
    marked = marked_tokens(tokenizer, {"input_ids": ids, "labels": labels})
    assert [word for word in marked if word.startswith("[")] == ["[a]", "[b]", "[w]", "[x]"]


def test_an_answer_without_a_box_is_where_it_stands_last():
    text = "It is 5 or 6.\nThe answer is 6."
    assert answer_place(text) == (text.rindex("6"), text.rindex("6") + 1)
    assert answer_place("\\boxed{1} then \\boxed{\\frac{1}{2}}.") == (15, 34)
    assert answer_place("") is None


def test_a_set_must_have_what_is_learnt_of_it(tiny_model, tmp_path):
    tokenizer, path = AutoTokenizer.from_pretrained(tiny_model), tmp_path / "set.jsonl"
    texts = ("Let me check.", "No.", "Yes, Yes.")
    path.write_text(
        "".join(json.dumps({"problem_id": f"p{n}", "messages": turns(text)}) + "\n" for n, text in enumerate(texts))
    )
    rows, dropped = read_training_set(path, tokenizer, 200, loss=Loss(only="verification"))
    assert len(rows) == 1 and dropped[1] == "set.jsonl:3 (p2): no token for loss.only verification"
    longest = max(
        sum(label != IGNORED for label in row["labels"]) for row in read_training_set(path, tokenizer, 200)[0]
    )
    for loss, words in (
        (
            {"first": longest + 1},
            f"set.jsonl: loss.first {longest + 1} is beyond its longest response, {longest} tokens",
        ),
        ({"after": longest}, f"set.jsonl: loss.after {longest} is beyond its longest response; give less"),
        ({"only": "backtracking"}, "set.jsonl: loss.only backtracking marks nothing in any of its traces"),
        ({"only": "answer"}, "set.jsonl: loss.only answer marks nothing"),
    ):
        with pytest.raises(BadInput, match=words):
            read_training_set(path, tokenizer, 200, loss=Loss(**loss))
    assert len(read_training_set(path, tokenizer, 200, loss=Loss(first=longest))[0]) == 3
    assert len(read_training_set(path, tokenizer, 200, loss=Loss(after=longest - 1))[0]) == 1


@pytest.mark.parametrize("wrong", [{}, {"first": 0}, {"first": 1, "after": 1}, {"only": "checks"}, {"last": 1}])
def test_one_thing_is_said_and_known(wrong):
    with pytest.raises(ValidationError):
        Loss(**wrong)
