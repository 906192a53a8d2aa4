"""Live curves, in TensorBoard's own files, where it is installed; and what is said where it is not."""

import json

import pytest
from test_sampling import Canned

from longcot.files.errors import BadInput
from longcot.models.base import Base
from longcot.problems.problem import Problem
from longcot.qlora.settings import LoraSettings
from longcot.qlora.task import TrainTask, train_arm
from longcot.sampling import live
from longcot.sampling.generate import generate_traces
from longcot.sampling.live import Curves, check_trackers
from longcot.sampling.settings import Sampling

PROBLEMS = [Problem(id=f"p{n}", problem=f"{n} + 0?", expected_answer=str(n)) for n in range(4)]


def drawn(folder) -> dict[str, list[tuple[int, float]]]:
    """The curves in TensorBoard's files of a folder: (step, value)s by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {name: [(at.step, round(at.value, 3)) for at in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="log_to: tensorboard is not installed; run .venv/bin/pip install tensorboard"):
        check_trackers(["tensorboard"])
    with Curves(tmp_path, "base-benchmark") as curves:  # nothing is asked
        assert curves.callbacks == [] and not (tmp_path / "curves").exists()
    (tmp_path / "study.yaml").write_text("log_to: [tensorboard]\n")
    with pytest.raises(BadInput, match="tensorboard is not installed"):
        Curves(tmp_path, "base-benchmark")


def test_accuracy_and_loss_as_they_come(tiny_model, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    (tmp_path / "study.yaml").write_text("log_to: [tensorboard]\n")
    sampler, out = Canned(*(f"\\boxed{{{n}}}" for n in (0, 1, 9, 3))), tmp_path / "traces/base/benchmark.jsonl"
    for problems in (PROBLEMS[:1], PROBLEMS):  # the second goes on where the first ended
        with Curves(tmp_path, "base-benchmark") as curves:
            given = {"model": "tiny", "progress": False, "curves": curves}
            generate_traces(sampler, problems, out, Sampling(max_tokens=9, samples=1), **given)
    shares = drawn(tmp_path / "curves/base-benchmark")
    assert shares["eval/accuracy"] == [(1, 1.0), (2, 1.0), (3, 0.667), (4, 0.75)]
    assert [value for _, value in shares["eval/finished"]] == [1.0] * 4

    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "\\boxed{2}"}]
    (tmp_path / "set.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    lora = LoraSettings(rank=2, epochs=3, max_length=200, compute_dtype="float32")
    task = TrainTask(name="a", base=Base(path=str(tiny_model)), training_set="set.jsonl", adapter="a", lora=lora)
    train_arm(task, tmp_path)
    losses = drawn(tmp_path / "curves/a-training")["train/loss"]
    written = [line.split(",")[2] for line in (tmp_path / "a/loss.csv").read_text().splitlines()[1:]]
    assert [step for step, _ in losses] == [1, 2, 3] and [f"{loss:.2f}" for _, loss in losses] == [
        f"{float(loss):.2f}" for loss in written
    ]
    assert "log_to" not in (tmp_path / "a.manifest.json").read_text()
