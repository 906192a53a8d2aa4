"""Files that are removed, cut or changed under a running job, or that are not what their manifest says."""

import json
import shutil

import pytest
from small_disk import PROBLEMS, SAMPLING, LongWinded

from longcot.files.errors import BadInput
from longcot.files.manifest import Product, changing, manifest_path, status
from longcot.run.jobs import Job
from longcot.run.launch import forget_lost
from longcot.sampling.generate import generate_traces
from longcot.traces.trace import Trace, read_traces, write_traces

TRACE = Trace(problem_id="p", sample=0, problem="1+1?", expected_answer="2", model="m", text="\\boxed{2}")


def sample(path, then=lambda: None):
    return generate_traces(LongWinded(then), PROBLEMS, path, SAMPLING, model="m", progress=False)


@pytest.mark.parametrize("how", ["remove", "cut", "empty", "replace"])
def test_traces_changed_while_they_are_sampled(tmp_path, how):
    whole, file = sample(tmp_path / "whole.jsonl").read_bytes(), tmp_path / "t.jsonl"

    def change():
        if file.exists() and file.stat().st_size > 100_000:
            if how == "remove":
                file.unlink()
            elif how == "replace":
                write_traces(file, read_traces(file)[:2])
            else:
                with open(file, "r+b") as out:
                    out.truncate(0 if how == "empty" else 90_001)

    with pytest.raises(BadInput, match=r"^t\.jsonl: was removed or changed while it was written; run the same command"):
        sample(file, change)
    assert sample(file).read_bytes() == whole


def test_a_product_that_is_gone_has_no_manifest(tmp_path):
    making = Product(tmp_path / "t.jsonl", {})
    with pytest.raises(BadInput, match="t.jsonl: was removed while it was made"):
        making.finish()
    assert not manifest_path(tmp_path / "t.jsonl").exists()


MANIFESTS = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "another value": lambda text: "[1]",
    "no hash": lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != "sha256"}),
    "another hash": lambda text: json.dumps(json.loads(text) | {"sha256": "0" * 64}),
    "from the future": lambda text: json.dumps(json.loads(text) | {"finished_at": "2999-01-01T00:00:00Z"}),
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_a_manifest_that_does_not_fit_its_file(tmp_path, how):
    file = tmp_path / "t.jsonl"
    making = Product(file, {"a": 1})
    write_traces(file, [TRACE])
    making.finish()
    manifest_path(file).write_text(MANIFESTS[how](manifest_path(file).read_text()))
    assert Product(file, {"a": 1}).done == (how == "from the future")
    if how != "from the future":
        assert [path.name for path in (tmp_path / "superseded").rglob("*.jsonl")] == ["t.jsonl"], "set aside, not lost"


def test_a_job_whose_product_was_cut_since_runs_again(tmp_path):
    job = Job("01_generate_traces-a", "01_generate_traces", [], {}, [], ["t.jsonl"])
    stamp = tmp_path / "stamps/01_generate_traces-a.done"
    stamp.parent.mkdir()
    making = Product(tmp_path / "t.jsonl", {})
    write_traces(tmp_path / "t.jsonl", [TRACE, TRACE.model_copy(update={"sample": 1})])
    making.finish()
    stamp.touch()
    forget_lost(tmp_path, [job])
    assert stamp.exists() and status(tmp_path / "t.jsonl") == "done"
    with open(tmp_path / "t.jsonl", "r+b") as out:
        out.truncate(100)
    forget_lost(tmp_path, [job])
    assert not stamp.exists() and status(tmp_path / "t.jsonl") == "begun"


def test_a_kill_between_a_file_and_its_manifest_loses_nothing(tmp_path):
    """Grading again writes the traces first: killed then, they were set aside, and all was sampled once more."""
    file = tmp_path / "t.jsonl"
    making = Product(file, {"a": 1})
    write_traces(file, [TRACE])
    making.finish()
    with pytest.raises(KeyboardInterrupt), changing(file):
        write_traces(file, [TRACE.model_copy(update={"correct": True})])
        raise KeyboardInterrupt
    again = Product(file, {"a": 1})
    assert not again.done and read_traces(file)[0].correct and not (tmp_path / "superseded").exists()
    again.finish()
    assert Product(file, {"a": 1}).done


def test_a_mark_that_a_kill_left_does_not_vouch_for_a_changed_file(tmp_path):
    file, begun = tmp_path / "t.jsonl", tmp_path / "t.jsonl.begun.json"
    making = Product(file, {"a": 1})
    write_traces(file, [TRACE])
    mark = begun.read_text()
    making.finish()
    begun.write_text(mark)  # the kill came before it was removed
    assert Product(file, {"a": 1}).done and not begun.exists()
    write_traces(file, [TRACE.model_copy(update={"text": "changed by hand"})])
    assert not Product(file, {"a": 1}).done and not file.exists()


@pytest.fixture(scope="module")
def cut_training(tmp_path_factory, tiny_model):
    """(the bytes of an adapter, a folder with its training cut after two of three epochs, a function to train it)."""
    from transformers import AutoTokenizer

    from longcot.curation.training_set import write_training_set
    from longcot.models.nf4 import load_base_4bit
    from longcot.qlora.settings import LoraSettings
    from longcot.qlora.training import train_adapter

    folder = tmp_path_factory.mktemp("cut")
    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "\\boxed{2}"}]
    write_training_set(folder / "set.jsonl", [{"messages": turns}] * 2)
    settings = LoraSettings(epochs=3, batch_size=2, compute_dtype="float32")

    def train(out, on_step=None):
        report = train_adapter(base, tokenizer, folder / "set.jsonl", out, settings, on_step)
        return (out / "adapter_model.safetensors").read_bytes(), report

    def cut(row):
        if row["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder / "adapter", cut)
    return train(folder / "whole")[0], folder / "adapter.training", train


CHECKPOINT = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.mark.parametrize("name", [*CHECKPOINT, "../of.json"])
@pytest.mark.parametrize("how", ["cut", "removed"])
def test_a_checkpoint_of_which_a_file_was_cut_or_lost(cut_training, tmp_path, name, how):
    whole, training, train = cut_training
    shutil.copytree(training, tmp_path / "adapter.training")
    (checkpoint,) = (tmp_path / "adapter.training").glob("checkpoint-*")
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2]) if how == "cut" else (checkpoint / name).unlink()
    weights, _ = train(tmp_path / "adapter")
    assert weights == whole and not (tmp_path / "adapter.training").exists()


def test_an_adapter_that_was_cut_is_named(tiny_model, cut_training, tmp_path):
    from longcot.sampling.local import LocalSampler

    cut_training[2](tmp_path / "adapter")
    weights = tmp_path / "adapter/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"^adapter: this adapter does not fit the base"):
        LocalSampler(tiny_model).use_adapter(tmp_path / "adapter")
