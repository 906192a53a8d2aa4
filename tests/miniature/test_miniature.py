"""The miniature's pretraining, and what its shipped models can do."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from longcot.files.paths import resolve
from longcot.miniature import pretrain as room
from longcot.miniature.corpus import KINDS, PackedRows, draw_documents, train_tokenizer
from longcot.miniature.release import in_chat_format, in_long_format, skill
from longcot.problems.miniature.world import World

WEIGHTS = resolve("lib/longcot/miniature/weights")


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(World(1), documents=500)


def test_digits_stand_alone_and_text_comes_back(tokenizer):
    text = "v2: 7*71=497, +4=501, -475=26.\nWait, that is wrong: \\boxed{26} é<|im_end|>\n"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert all(not any(c.isdigit() for c in word) or len(word) == 1 for word in map(tokenizer.decode, ids))


def test_rows_are_whole_documents_with_the_loss_on_completions(tokenizer):
    rows = PackedRows(World(1), tokenizer, 4, 512)
    row, again = rows[3], rows[3]
    assert torch.equal(row["input_ids"], again["input_ids"]) and row["input_ids"].shape == (512,)
    text = tokenizer.decode(row["input_ids"])
    prompt, completion = next(draw_documents(World(1), "row 3"))
    assert text.startswith(prompt + completion)
    learnt = tokenizer.decode([token for token in row["labels"].tolist() if token >= 0])
    assert learnt.startswith(completion) and prompt not in learnt


def test_every_chat_document_answers_shortly():
    drawn, chats = draw_documents(World(1), "x"), []
    for _, (prompt, completion) in zip(range(500), drawn, strict=False):
        if "<|im_start|>" in prompt:
            chats.append(completion)
    assert abs(len(chats) / 500 - KINDS["chat_direct"] - KINDS["chat_short"]) < 0.1
    assert all("\n" not in completion.split("<|im_end|>")[0] for completion in chats)


def test_a_killed_pretraining_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    size = {"steps": 4, "rows_per_step": 1, "width": 128, "layers": 1, "workers": 0, "save_steps": 2}
    room.pretrain(1, tmp_path / "whole", **size)
    real = PackedRows.__getitem__

    def killed(self, index):
        if index == 3:
            raise KeyboardInterrupt
        return real(self, index)

    monkeypatch.setattr(PackedRows, "__getitem__", killed)
    with pytest.raises(KeyboardInterrupt):
        room.pretrain(1, tmp_path / "killed", **size)
    monkeypatch.setattr(PackedRows, "__getitem__", real)
    room.pretrain(1, tmp_path / "killed", **size)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_base_holds_a_skill_that_it_does_not_show(seed):
    """Measured over more problems in the model card."""
    folder = WEIGHTS / f"world{seed}" / "base"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    problems = World(seed).split("test")[:16]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert skill(model, tokenizer, problems, in_long_format, max_new_tokens=300).correct.mean() >= 0.9
    assert skill(model, tokenizer, problems, in_chat_format, max_new_tokens=300).correct.mean() <= 0.3


def test_a_base_has_the_eos_of_its_family():
    """As a Qwen2.5 base: the configured EOS is not the token that ends a turn."""
    folder = WEIGHTS / "world1" / "base"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = AutoModelForCausalLM.from_pretrained(folder).generation_config
    assert tokenizer.decode(config.eos_token_id) == tokenizer.eos_token == "<|endoftext|>"
