"""What training will take, and what is refused before or during it."""

import gc
import json
import shutil
import weakref
from types import SimpleNamespace

import psutil
import pytest
import torch
from model_shapes import QWEN_32B
from transformers import AutoTokenizer

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.models.nf4 import load_base_4bit
from longcot.problems.prompts import Prompt
from longcot.qlora import recomputation
from longcot.qlora.memory import STEP, check_training, host_memory_gb, longest_trace, training_memory_gb
from longcot.qlora.settings import LoraSettings
from longcot.qlora.task import TrainTask, check_arm
from longcot.qlora.trainer import AdapterTrainer
from longcot.qlora.training import train_adapter
from longcot.run.training_fit import training_fit, training_warnings
from longcot.study.reading import load_study

LORA = LoraSettings()
GB_24, GB_80 = 24.0, 80.0


@pytest.fixture
def gpu(monkeypatch):
    """A function that makes torch report a GPU with so much free memory, and the host so much of its own."""

    def make(free_gb: float, bf16: bool = True, host_gb: float = 200.0) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(free_gb * 1e9), int(free_gb * 1e9)))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=host_gb * 1e9))

    return make


@pytest.mark.parametrize(
    "length, measured",
    [(4096, 24.24), (8192, 26.08), (16384, 26.96), (32768, 28.72), (65536, 33.23), (98304, 38.57), (106496, 38.82)],
)
def test_agrees_with_the_peaks_measured_on_an_h200(length, measured):
    assert training_memory_gb(QWEN_32B, LORA, length) == pytest.approx(measured, rel=0.15)


def test_the_longest_trace_is_the_longest():
    length = longest_trace(QWEN_32B, LORA, 30.0)
    needs = [training_memory_gb(QWEN_32B, LORA, tokens) for tokens in (length, length + STEP)]
    assert needs[0] <= 30.0 < needs[1]
    assert longest_trace(QWEN_32B, LORA, 20.0) == 0
    assert longest_trace(QWEN_32B, LORA, 1000.0) == QWEN_32B.max_position_embeddings
    fewer = LoraSettings(target_modules=["q_proj", "v_proj"], rank=16)
    assert training_memory_gb(QWEN_32B, fewer, 4096) < training_memory_gb(QWEN_32B, LORA, 4096) - 1
    assert host_memory_gb(QWEN_32B, LORA, 16384) == pytest.approx(64 * 16384 * 5120 * 2 / 1e9)


def test_says_before_loading_what_to_change(gpu):
    gpu(GB_80)
    row = check_training(QWEN_32B, LORA, 32768, "arm a")
    assert row["longest"] == 32768 and row["gpu_free_gb"] == 80.0 and 25 < row["gpu_gb"] < 35
    assert row["gpu_spare_gb"] == pytest.approx(80.0 - 1.1 * row["gpu_gb"], abs=0.01)
    gpu(32.0)
    with pytest.raises(BadInput) as error:
        check_training(QWEN_32B, LORA, 100_000, "arm a")
    words = str(error.value)
    limit = longest_trace(QWEN_32B, LORA, 32.0 / 1.1)
    assert f"lora.max_length to {limit} " in words and "too little" in words and "\n" not in words
    check_training(QWEN_32B, LORA, limit, "arm a")
    gpu(GB_80, host_gb=11.0)
    with pytest.raises(
        BadInput, match=r"arm a: a trace of 32768 tokens keeps 21.5 GB in the host's memory, which has 11"
    ):
        check_training(QWEN_32B, LORA, 32768, "arm a")
    check_training(QWEN_32B, LORA, 16640, "arm a")  # as it is told
    gpu(GB_24)
    with pytest.raises(BadInput, match="even the shortest does not fit: take a smaller base"):
        check_training(QWEN_32B, LORA, 4096, "arm a")


def test_devices_that_will_not_do(gpu):
    with pytest.raises(
        BadInput, match="arm a: a base of 32.8 billion weights and no GPU; train it where one has 27 GB"
    ):
        check_training(QWEN_32B, LORA, 4096, "arm a")
    gpu(GB_80, bf16=False)
    with pytest.raises(BadInput, match="Some GPU has no bfloat16; set lora.compute_dtype to float16"):
        check_training(QWEN_32B, LORA, 4096, "arm a")
    check_training(QWEN_32B, LORA.model_copy(update={"compute_dtype": "float16"}), 4096, "arm a")


def conversations(path, *lengths):
    rows = (
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "x" * n}]} for n in lengths
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def task(base, **lora):
    """An arm to train on `set.jsonl`."""
    settings = LoraSettings(compute_dtype="float32", **lora)
    return TrainTask(name="a", base={"path": str(base)}, training_set="set.jsonl", adapter="a", lora=settings)


def test_an_arm_by_its_training_set(tiny_model, tmp_path):
    conversations(tmp_path / "set.jsonl", 20, 50, 150)
    row = check_arm(task(tiny_model), tmp_path)
    ids = AutoTokenizer.from_pretrained(tiny_model)("x" * 150)["input_ids"]
    assert (row["arm"], row["traces"], row["dropped"]) == ("a", 3, []) and row["longest"] > len(ids)
    row = check_arm(task(tiny_model, max_length=100, too_long="drop"), tmp_path)
    assert row["traces"] == 2 and len(row["dropped"]) == 1 and row["longest"] <= 100
    with pytest.raises(BadInput, match="set.jsonl:3: .* limit is 100"):
        check_arm(task(tiny_model, max_length=100), tmp_path)
    conversations(tmp_path / "set.jsonl")
    with pytest.raises(BadInput, match="set.jsonl: no trace in it"):
        check_arm(task(tiny_model), tmp_path)
    with pytest.raises(BadInput, match="no-such: cannot load"):
        check_arm(task(tmp_path / "no-such"), tmp_path)


def test_a_base_without_a_chat_template_is_spoken_to_in_plain_text(tiny_model, tmp_path):
    plain = shutil.copytree(tiny_model, tmp_path / "plain")
    (plain / "chat_template.jinja").unlink()
    conversations(tmp_path / "set.jsonl", 20)
    ids = AutoTokenizer.from_pretrained(plain)("Problem:\nQ\n\nSolution:\n")["input_ids"]
    whole = check_arm(task(plain), tmp_path)["longest"]
    assert whole == len(ids) + len(AutoTokenizer.from_pretrained(plain)("x" * 20 + "<|endoftext|>")["input_ids"])
    other = task(plain).model_copy(update={"prompt": Prompt(chat_template="chatml")})
    assert check_arm(other, tmp_path)["longest"] != whole
    with pytest.raises(BadInput, match="chat_template: own, but this model has none"):
        check_arm(task(plain).model_copy(update={"prompt": Prompt(chat_template="own")}), tmp_path)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), RuntimeError("CUDA error: out of memory")])
def test_out_of_memory_ends_with_advice_and_resumes(tiny_model, tmp_path, monkeypatch, error):
    torch.set_num_threads(1)
    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    conversations(tmp_path / "set.jsonl", 20, 30, 40)
    monkeypatch.setattr("longcot.qlora.training.SMALL", 0)
    settings = LoraSettings(epochs=3, batch_size=2, learning_rate=1e-2, compute_dtype="float32")
    whole = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "whole", settings)

    step, calls = AdapterTrainer.training_step, []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 6:  # two steps an epoch
            raise error
        return step(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(BadInput) as said:
        patch.setattr(AdapterTrainer, "training_step", fail)
        train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "cut", settings)
    words = str(said.value)
    assert words.startswith("cut: out of memory; a trace of ") and "cut.training" in words and "\n" not in words
    seen = []
    report = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "cut", settings, seen.append)
    assert [row["step"] for row in seen] == [5, 6] and report["loss"] == whole["loss"]


@pytest.mark.parametrize(
    ("error", "hosts"),  # GB that are kept on the host afterwards, of 8
    [(torch.OutOfMemoryError("CUDA out of memory"), 8), (RuntimeError("CUDA error: out of memory"), 2)],
)
def test_out_of_memory_keeps_less_before_it_ends(tiny_model, tmp_path, monkeypatch, error, hosts):
    """The step that failed is done again, in the middle of its passes, and what it had added is not added twice. Where
    the GPU's memory was short, as much is kept on the host as before.
    """
    torch.set_num_threads(1)
    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    conversations(tmp_path / "set.jsonl", 20, 30, 40)
    monkeypatch.setattr("longcot.qlora.training.SMALL", 0)
    settings = LoraSettings(epochs=2, batch_size=3, learning_rate=1e-2, compute_dtype="float32")
    monkeypatch.setattr(
        "longcot.qlora.trainer.take_room", lambda layers, *_: layers.__dict__.update(card=10e9, host=8e9)
    )
    whole = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "whole", settings)
    loss, cards, left = AdapterTrainer.compute_loss, [], []

    def fail(trainer, *args, **kwargs):
        cards.append(trainer.layers.card)
        left[:] = [trainer.layers.host]
        if len(cards) in (3, 5):
            raise error
        return loss(trainer, *args, **kwargs)

    monkeypatch.setattr(AdapterTrainer, "compute_loss", fail)
    report = train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "less", settings)
    assert cards == [10e9] * 3 + [5e9] * 2 + [2.5e9] * 6  # then once more, and all three of the second step
    assert left == [hosts * 1e9]
    assert report["loss"] == whole["loss"]
    files = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "less")]
    assert files[0] == files[1]


def test_a_step_that_ran_out_of_memory_leaves_nothing(tiny_model, tmp_path, monkeypatch):
    """Else the next try has no more memory than the first, however little it keeps."""
    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    conversations(tmp_path / "set.jsonl", 20, 30, 40)
    monkeypatch.setattr("longcot.qlora.training.SMALL", 0)
    room = {"card": 10e9, "host": 8e9}
    monkeypatch.setattr("longcot.qlora.trainer.take_room", lambda layers, *_: layers.__dict__.update(room))
    graph, left, front = [], [], recomputation.Front

    def fail(*given):
        if len(graph) == 1:  # in the backward pass of the first layer, whose second layer's is done
            graph.append(weakref.ref(given[-1]))
            raise torch.OutOfMemoryError("CUDA out of memory")
        if len(graph) == 2:
            left.append([one() for one in graph])
        graph.append(weakref.ref(given[-1]))
        return front(*given)

    monkeypatch.setattr(recomputation, "Front", fail)
    gc.disable()
    try:
        settings = LoraSettings(epochs=1, batch_size=1, compute_dtype="float32")
        train_adapter(base, tokenizer, tmp_path / "set.jsonl", tmp_path / "out", settings)
    finally:
        gc.enable()
    assert left == [[None, None]]


def test_a_study_says_before_it_starts_what_cannot_be_trained(gpu, tmp_path):
    """A configuration is enough, and no word is said of what fits or is trained already."""
    folder, run_dir = tmp_path / "32b", ROOT / f"runs/{tmp_path.name}"
    QWEN_32B.save_pretrained(folder)
    study = load_study("params/miniature.yaml", [f"name={tmp_path.name}", f"models.base.path={folder}"])
    assert training_warnings(study) == []  # no weights in the directory
    with open(folder / "model.safetensors", "wb") as weights:
        weights.truncate(20 * 10**9)  # a hole of that size
    (words,) = training_warnings(study)
    assert words == "training on base: a base of 32.8 billion weights and no GPU; train it where one has 29 GB free"
    gpu(GB_80)
    assert training_warnings(study) == []
    ((fits, words),) = training_fit(study).values()
    assert fits and "a trace of 400 tokens, the longest that may come, takes" in words and "leaves 5" in words
    gpu(GB_24)
    assert "even the shortest does not fit" in training_warnings(study)[0]
    try:
        for arm in study.arms:
            (run_dir / "adapters" / arm.name).mkdir(parents=True)
            (run_dir / "adapters" / f"{arm.name}.manifest.json").write_text('{"sha256": ""}')
        assert training_warnings(study) == []
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
