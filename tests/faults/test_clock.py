"""A clock that was set back: what is newest is known by its number and its hash, never by its time."""

import json
import os
import time

import pytest

from longcot.files.manifest import Product, manifest_path


def make(path, number):
    making = Product(path, {"number": number})
    path.write_text(str(number))
    making.finish()


def test_what_is_set_aside_in_the_same_second_does_not_meet(tmp_path, monkeypatch):
    """Also when the clock comes by a second time."""
    file = tmp_path / "t.csv"
    make(file, 0)
    for number, clock in enumerate(("20260101T000000", "20260101T000000", "20250101T000000", "20260101T000000"), 1):
        monkeypatch.setattr(time, "strftime", lambda *_, clock=clock: clock)
        make(file, number)
    aside = {old.read_text(): json.loads(manifest_path(old).read_text()) for old in tmp_path.glob("superseded/*/t.csv")}
    assert sorted(aside) == ["0", "1", "2", "3"]
    assert all(written["parameters"] == {"number": int(text)} for text, written in aside.items())


def test_seconds_are_never_less_than_none(tmp_path, monkeypatch):
    making = Product(tmp_path / "t.csv", {})
    (tmp_path / "t.csv").write_text("x")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    making.finish()
    assert json.loads(manifest_path(tmp_path / "t.csv").read_text())["seconds"] >= 0


@pytest.mark.parametrize("hours", [-48, 48])
def test_training_goes_on_from_the_last_step_not_from_the_youngest_file(tmp_path, tiny_model, hours):
    from transformers import AutoTokenizer

    from longcot.curation.training_set import write_training_set
    from longcot.models.nf4 import load_base_4bit
    from longcot.qlora.settings import LoraSettings
    from longcot.qlora.training import train_adapter

    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "\\boxed{2}"}]
    write_training_set(tmp_path / "set.jsonl", [{"messages": turns}] * 2)
    settings = LoraSettings(epochs=4, batch_size=2, compute_dtype="float32")

    def train(name, kill_at=0):
        steps = []

        def on_step(row):
            steps.append(row["step"])
            if row["step"] == kill_at:
                raise KeyboardInterrupt

        try:
            train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / name, settings, on_step)
        except KeyboardInterrupt:
            for path in (tmp_path / f"{name}.training").rglob("*"):
                os.utime(path, (time.time() + 3600 * hours,) * 2)
        return steps

    train("whole")
    assert train("cut", kill_at=2) == [1, 2] and train("cut", kill_at=4) == [2, 3, 4]
    assert train("cut") == [4], "the Trainer itself would have kept the checkpoint with the latest time, of step 1"
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
