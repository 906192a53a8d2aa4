"""Which models fit on the GPUs there are, with a configuration of Qwen2.5-Math-72B's shape and pretended cards."""

import json

import pytest

from longcot.files.paths import ROOT
from longcot.models.cards import Card
from longcot.run import engine_fit as module
from longcot.run.engine_fit import engine_fit
from longcot.study.reading import load_study

QWEN_72B = {  # the shape in its config.json on the Hub
    "model_type": "qwen2",
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 29568,
    "vocab_size": 152064,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """`paper.yaml` with only its 72B model at hand, as that shape; called with a number of 80 GB cards."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN_72B))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("longcot.run.training_fit.hub_answers", lambda: False)
    study = load_study(ROOT / "params/paper.yaml", [f"models.math-72b.path={tmp_path}"])

    def on(count: int) -> tuple[bool, str]:
        monkeypatch.setattr(module, "pool", lambda: [Card(str(n), f"GPU-{n}", 85.5, 0.0) for n in range(count)])
        return engine_fit(study)["math-72b"]

    return on


def test_the_paper_on_one_card_says_what_it_would_take_and_what_to_change(paper):
    fits, words = paper(1)
    assert not fits and "145 GB of weights in bfloat16" in words and "1 here" in words
    assert "models.math-72b.path" in words and "models.math-72b.server" in words


def test_a_node_holds_it_and_without_cards_only_the_need_is_said(paper):
    assert paper(8)[0] and "8 here" in paper(8)[1]
    fits, words = paper(0)
    assert fits and "145 GB" in words and "here" not in words
