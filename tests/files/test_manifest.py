import hashlib
import json
import os
import time

import pytest

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.files.manifest import LARGE, Product, begun_path, manifest_path, seconds_before, sha256, status
from longcot.grading.regrade import regrade_file
from longcot.traces.trace import Trace, read_traces, write_traces


def make(path, parameters, inputs=(), text="made"):
    making = Product(path, parameters, inputs)
    if not making.done:
        path.write_text(text)
        making.finish(rows=1)
    return making.done


def test_done_only_with_the_same_recipe_and_content(tmp_path):
    out, source = tmp_path / "out.jsonl", tmp_path / "in"
    source.write_text("1")
    assert not make(out, {"a": 1}, [source]) and status(out) == "done"
    assert make(out, {"a": 1}, [source])
    written = json.loads(manifest_path(out).read_text())
    assert written["rows"] == 1 and written["packages"]["torch"] and len(written["sha256"]) == 64
    source.write_text("2")
    assert not make(out, {"a": 1}, [source], text="new")
    old = list((tmp_path / "superseded").rglob("out.jsonl"))
    assert [file.read_text() for file in old] == ["made"], "what was made is set aside, never lost"


def test_a_large_file_is_read_once_while_it_stays_as_it_is(tmp_path, monkeypatch):
    """Each arm names its base: 65 GB of a 32B model, read three times an arm before."""
    model, read = tmp_path / "model", []
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, how, real=hashlib.file_digest: read.append(1) or real(file, how)
    )
    model.mkdir()
    (weights := model / "weights").write_bytes(b"1" * LARGE)
    first = sha256(model)
    assert sha256(model) == first and len(read) == 2, "just written: another change could have the same time"
    long_ago = time.time() - 60
    os.utime(weights, (long_ago, long_ago))
    assert sha256(model) == sha256(model) == first and len(read) == 3
    weights.write_bytes(b"2" * LARGE)
    os.utime(weights, (long_ago, long_ago))  # its size and time are as before
    assert sha256(model) != first and len(read) == 4
    (model / "config").write_text("small")
    assert sha256(model) == sha256(model) and len(read) == 6, "a small one is read each time"


def test_a_resumed_file_was_made_as_long_as_all_who_made_it(tmp_path):
    """Its manifest said the last process's seconds alone. What nobody worked on it is left out."""
    out, now = tmp_path / "out.jsonl", time.time()
    for begun, changed in ((5000, 4900), (3000, 2960)):  # seconds ago; both were killed
        Product(out, {"a": 1})
        os.utime(begun_path(out), (now - begun,) * 2)
        out.write_text("some")
        os.utime(out, (now - changed,) * 2)
    assert seconds_before(out) == pytest.approx(140, abs=0.1)
    make(out, {"a": 1}, text="all")
    assert 140 <= json.loads(manifest_path(out).read_text())["seconds"] < 150
    make(out, {"a": 2}, text="another")
    assert json.loads(manifest_path(out).read_text())["seconds"] < 10


def test_an_unfinished_file_is_resumed_only_by_its_own_recipe(tmp_path):
    out = tmp_path / "out.jsonl"
    Product(out, {"a": 1})
    out.write_text("half")
    assert status(out) == "begun" and not Product(out, {"a": 1}).done and out.read_text() == "half"
    Product(out, {"a": 2})
    assert not out.exists() and len(list((tmp_path / "superseded").rglob("out.jsonl"))) == 1


def test_a_changed_file_is_not_taken_for_the_made_one(tmp_path):
    out = tmp_path / "out.jsonl"
    make(out, {})
    out.write_text("changed by hand")
    assert not make(out, {})
    assert out.read_text() == "made"


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(BadInput, match="in: missing, though out is made from it"):
        Product(tmp_path / "out", {}, [tmp_path / "in"])


def test_a_regraded_file_is_still_whole(tmp_path, capsys):
    """Grading again must not make the next run set the traces aside and sample them again."""
    out = tmp_path / "traces.jsonl"
    fields = {
        "problem": "?",
        "expected_answer": "7",
        "model": "m",
        "text": "It is \\boxed{7}.",
        "finish_reason": "stop",
    }
    making = Product(out, {"a": 1})
    write_traces(out, [Trace(problem_id="p", sample=0, **fields, answer="8", correct=False)])
    making.finish(traces=1)
    assert regrade_file(out) == 1 and read_traces(out)[0].correct
    assert Product(out, {"a": 1}).done and json.loads(manifest_path(out).read_text())["regraded"]
    assert main(["regrade", str(out)]) == 0 and ": 0 verdicts changed" in capsys.readouterr().out
    assert main(["regrade", str(tmp_path / "none.jsonl")]) == 1 and "no such file" in capsys.readouterr().err
