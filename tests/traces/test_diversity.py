import random

import huggingface_hub.constants
import numpy as np
import pytest

from longcot.files.errors import BadInput
from longcot.traces.diversity import embed, k_centre, mean_distance, similarities, vendi_score

TEXTS = ["add two and three", "add two and three", "angles of a triangle", "roots of unity modulo seven", "?"]


def test_vendi_score_counts_different_texts():
    assert vendi_score(np.eye(5)) == pytest.approx(5) and vendi_score(np.ones((5, 1))) == pytest.approx(1)
    # Two pairs of equal rows: eigenvalues of K / n are 1/2, 1/2
    assert vendi_score(np.eye(2)[[0, 0, 1, 1]]) == pytest.approx(2)
    half = np.array([[1, 0], [0.5, np.sqrt(0.75)]])  # cos = 1/2: eigenvalues 3/4 and 1/4
    assert vendi_score(half) == pytest.approx(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))
    with pytest.raises(BadInput, match="Vendi score of no text"):
        vendi_score(np.eye(2)[:0])


def test_mean_distance_is_that_of_all_pairs():
    rows = embed(TEXTS[:4])
    pairs = [1 - similarities(rows)[i, j] for i in range(4) for j in range(i)]
    assert mean_distance(rows) == pytest.approx(np.mean(pairs)) == pytest.approx(mean_distance(rows.toarray()))
    assert np.isnan(mean_distance(rows[:1]))


def test_a_text_without_a_word_is_embedded_too():
    rows = embed(TEXTS)
    assert similarities(rows)[4].tolist() == [0] * 5 and vendi_score(rows) > 3
    assert vendi_score(embed(["?", "!"])) == pytest.approx(2)
    with pytest.raises(BadInput, match="no text to embed"):
        embed([])


def test_k_centre_takes_the_farthest_and_repeats():
    points = np.array([[1, 0], [0.99, np.sqrt(1 - 0.99**2)], [0, 1], [-1, 0]])
    taken = k_centre(points, 3, random.Random(1))
    assert taken == k_centre(points, 3, random.Random(1)) and len(set(taken)) == 3 and not {0, 1} <= set(taken)
    assert sorted(k_centre(points, 9, random.Random(2))) == [0, 1, 2, 3] and k_centre(points, 0, random.Random(1)) == []
    assert len({k_centre(points, 1, random.Random(seed))[0] for seed in range(20)}) > 1


def test_a_sentence_transformers_model(tiny_model):
    rows = embed(TEXTS[:3], str(tiny_model))
    assert rows.shape[0] == 3 and np.linalg.norm(rows, axis=1) == pytest.approx(1)
    close = similarities(rows)
    assert close[0, 1] == pytest.approx(1) and close[0, 2] < 0.99


def test_a_model_that_cannot_be_had_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for model in ("nobody/no-such-model", str(tmp_path)):
        with pytest.raises(BadInput, match="cannot be had .*; download it .* give its folder, or use tfidf") as raised:
            embed(["a"], model)
        assert "\n" not in str(raised.value)
