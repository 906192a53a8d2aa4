"""An adapter goes on its own base, and on no other one of the same shape."""

import json

import pytest

from longcot.files.errors import BadInput
from longcot.models.adapter import adapter_rank, check_base
from longcot.problems.problem import Problem
from longcot.sampling.task import SampleTask, sample_arm
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study

WEIGHTS = "lib/longcot/miniature/weights"


@pytest.fixture
def trained_on(tmp_path):
    """A function that makes the directory of an adapter whose file names such a base."""

    def make(base):
        (tmp_path / "adapter").mkdir(exist_ok=True)
        (tmp_path / "adapter/adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
        return tmp_path / "adapter"

    return make


@pytest.mark.parametrize(
    "own, base",
    [
        ("Qwen/Qwen2.5-32B", "Qwen/Qwen2.5-32B"),
        ("Qwen/Qwen2.5-32B", "models/qwen2.5-32b"),  # downloaded
        ("/home/somebody/Qwen2.5-32B", "Qwen/Qwen2.5-32B"),  # trained elsewhere on a download
        (f"{WEIGHTS}/world1/base", f"{WEIGHTS}/world1/base"),
        (None, "Qwen/Qwen2.5-32B"),
    ],
)
def test_its_own_base(trained_on, own, base):
    check_base(trained_on(own), base)


@pytest.mark.parametrize(
    "own, base",
    [
        ("Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-32B"),
        (f"{WEIGHTS}/world1/base", f"{WEIGHTS}/world2/base"),  # of one shape and one last name
    ],
)
def test_another_base_is_refused(trained_on, own, base):
    with pytest.raises(BadInput, match=f"adapter: trained on {own}, not on {base}; give its own base"):
        check_base(trained_on(own), base)


def test_no_adapter(tmp_path):
    with pytest.raises(BadInput, match="no adapter_config.json in it"):
        check_base(tmp_path, "x")
    assert adapter_rank(tmp_path) == 0
    (tmp_path / "adapter_config.json").write_text('{"r": 8')
    for read in (adapter_rank, lambda folder: check_base(folder, "x")):
        with pytest.raises(BadInput, match="adapter_config.json: not JSON"):
            read(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"r": 8}')
    assert adapter_rank(tmp_path) == 8


def test_a_study_is_refused_before_it_starts_and_an_arm_before_it_is_sampled(tmp_path):
    other = f"{WEIGHTS}/world2/reasoner"
    study = load_study("params/miniature.yaml", [f"models.reasoner.adapter={other}"])
    with pytest.raises(BadInput, match=f"{other}: trained on .*world2/base, not on .*world1/base"):
        check_inputs(study)
    on = {"path": f"{WEIGHTS}/world1/base", "precision": "float32"}
    arm = {"name": "a", "base": on, "adapter": other, "traces": "t.jsonl", "sampling": {"max_tokens": 5}}
    with pytest.raises(BadInput, match="trained on .*world2/base"):
        sample_arm(SampleTask.model_validate(arm), [Problem(id="p", problem="?", expected_answer="1")], tmp_path)
    assert not (tmp_path / "t.jsonl").exists()
