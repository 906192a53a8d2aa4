import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.models.adapter import adapter_config
from longcot.models.loading import check_weights, load_config, load_model, load_pretrained_tokenizer
from longcot.run.jobs import study_jobs
from longcot.sampling.engines.command import Served
from longcot.study.reading import load_study

STUDY = (ROOT / "params/miniature.yaml").read_text()
CODE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
from transformers import Qwen2Config, Qwen2ForCausalLM

class OwnConfig(Qwen2Config):
    model_type = "own-kind"
class OwnModel(Qwen2ForCausalLM):
    config_class = OwnConfig
"""


class Bomb:
    """What runs code where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def with_code(tiny_model, tmp_path):
    """The tiny model, with code of its own; where that runs it leaves a file, here or in transformers' cache."""
    folder = shutil.copytree(tiny_model, tmp_path / "own")
    trace = tmp_path / "ran"
    (folder / "own.py").write_text(CODE.replace('Path(__file__).with_name("ran")', f"Path({str(trace)!r})"))
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own-kind",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder, trace


@pytest.mark.parametrize("load", [load_model, load_config, load_pretrained_tokenizer])
def test_code_of_a_model_does_not_run_unless_it_is_trusted(with_code, load):
    folder, trace = with_code
    with pytest.raises(BadInput, match="own: cannot load this .* trust_remote_code: true of this model in the study"):
        load(folder)
    assert not trace.exists()
    if load is load_model:
        load(folder, trust_remote_code=True)
        assert trace.exists()


def test_pickles_are_not_read(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "old")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights | {"bomb": Bomb(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"old: its weights \(pytorch_model.bin\) are pickles.*a copy as safetensors"):
        load_model(folder)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text("{}")
    torch.save({"bomb": Bomb(tmp_path / "ran")}, tmp_path / "adapter/adapter_model.bin")
    with pytest.raises(BadInput, match=r"adapter: its weights \(adapter_model.bin\) are pickles"):
        adapter_config(tmp_path / "adapter")
    assert not (tmp_path / "ran").exists()
    shutil.copy(tiny_model / "model.safetensors", folder)
    check_weights(folder)
    load_model(folder)
    assert not (tmp_path / "ran").exists(), "beside safetensors a pickle is left alone"


def test_a_checkpoint_with_a_pickle_in_it_runs_nothing(tmp_path):
    """What the Trainer does on going on: torch.load with weights_only, which takes no objects."""
    torch.save({"state": Bomb(tmp_path / "ran")}, tmp_path / "optimizer.pt")
    with pytest.raises(Exception, match="[Ww]eights.only"):
        torch.load(tmp_path / "optimizer.pt", weights_only=True)
    assert not (tmp_path / "ran").exists()


def test_a_study_asks_for_it_by_name_and_is_warned(tmp_path):
    values = yaml.safe_load(STUDY)
    values["models"]["base"]["trust_remote_code"] = True
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    study = load_study(tmp_path / "study.yaml")
    assert study.trusted == ["base"]
    rows = {row["name"]: row["base"] for job in study_jobs(study) for row in job.parameters["tasks"] if "base" in row}
    assert rows["reasoner-20-a"]["trust_remote_code"] and not rows["reasoner"]["trust_remote_code"]
    assert "--trust-remote-code" in Served("x/y", trust_remote_code=True).command()
    assert "--trust-remote-code" not in Served("x/y").command()
