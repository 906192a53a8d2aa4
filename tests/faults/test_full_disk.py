"""A disk that runs full: one line that says so, nothing lost, and with room made the same call goes on."""

import subprocess
import sys

import pytest
from small_disk import PROBLEMS, SAMPLING, LongWinded

from longcot.files.errors import BadInput
from longcot.files.writing import whole_folder, write_whole
from longcot.sampling.generate import generate_traces
from longcot.traces.trace import TraceWriter, read_traces

pytest_plugins = ["small_disk"]
FULL = r"the disk of .* is full, \d+\.\d MB are free; make room, then run the same command again"


def sample(path):
    return generate_traces(LongWinded(), PROBLEMS, path, SAMPLING, model="m", progress=False)


def test_sampling_goes_on_when_there_is_room_again(disk, tmp_path):
    whole = sample(tmp_path / "whole.jsonl").read_bytes()
    file = disk.path / "t.jsonl"
    for _ in range(2):
        with pytest.raises(BadInput, match=FULL):
            sample(file)
        assert 4 <= len(read_traces(file)) < 32 and whole.startswith(file.read_bytes()), "whole lines, no other"
    disk.remount("size=4m")
    assert sample(file).read_bytes() == whole


def test_a_file_is_not_lost_to_a_new_one_that_does_not_fit(disk):
    file = disk.path / "table.csv"
    write_whole(file, "old")
    with pytest.raises(BadInput, match=f"^table.csv: {FULL}"):
        write_whole(file, b"x" * 10**6)
    assert file.read_text() == "old" and [path.name for path in disk.path.iterdir()] == ["table.csv"]


def test_words_of_libraries_that_raise_no_oserror(disk):
    import torch
    from safetensors.torch import save_file

    for save in (lambda path: save_file({"x": torch.zeros(10**6)}, path), lambda p: torch.save(torch.zeros(10**6), p)):
        with pytest.raises(BadInput, match=FULL), whole_folder(disk.path / "model") as folder:
            save(folder / "weights")
        assert not (disk.path / "model").exists()


def test_training_goes_on_when_there_is_room_again(disk, tmp_path, tiny_model):
    from longcot.curation.training_set import write_training_set
    from longcot.models.nf4 import load_base_4bit
    from longcot.qlora.settings import LoraSettings
    from longcot.qlora.training import train_adapter

    base = load_base_4bit(tiny_model, "float32")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "\\boxed{2}"}]
    write_training_set(tmp_path / "set.jsonl", [{"messages": turns}] * 2)
    settings = LoraSettings(epochs=3, batch_size=2, compute_dtype="float32")
    for out in (tmp_path / "whole", disk.path / "cut"):
        arguments = (base, tokenizer, tmp_path / "set.jsonl", out, settings)
        if out.name == "cut":
            with pytest.raises(BadInput, match=f"^cut.training: {FULL}"):
                train_adapter(*arguments)
            disk.remount("size=64m")
        train_adapter(*arguments)
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (tmp_path / "whole", out)]
    assert weights[0] == weights[1]


def test_a_limit_on_file_size_is_told_and_whole_lines_stay(tmp_path):
    """What any user can try: a limit of 100 kB a file, in a process of its own."""
    code = "import resource, signal, sys; sys.path += sys.argv[2:]; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
    code += "from pathlib import Path; from test_full_disk import sample; sample(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "t.jsonl"), *filter(None, sys.path)]
    said = subprocess.run(command, capture_output=True, text=True)
    assert "t.jsonl: larger than files may be here; raise the limit (ulimit -f)" in said.stderr
    kept = read_traces(tmp_path / "t.jsonl")
    assert 0 < len(kept) < 32
    with TraceWriter(tmp_path / "t.jsonl") as writer:
        assert len(writer.done) == len(kept)
    assert len(read_traces(sample(tmp_path / "t.jsonl"))) == 32
