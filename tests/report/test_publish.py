"""A fine-tuned arm as folders for the Hub, from a run of the tiny model: sampled, curated, trained, sampled again."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.files.manifest import Product, manifest_path, sha256
from longcot.files.paths import ROOT
from longcot.metrics.scores import score_arm
from longcot.report.publish.cards import QUESTION, Where, model_card
from longcot.report.publish.finished_arm import finished_arm
from longcot.report.publish.folder import publish
from longcot.run.jobs import study_jobs
from longcot.study.reading import load_study
from longcot.study.study import Study
from longcot.traces.trace import read_traces

ASKED = [{"id": "q", "problem": QUESTION, "expected_answer": "5"}, {"id": "r", "problem": "1?", "expected_answer": "1"}]


@pytest.fixture(scope="module")
def run_dir(tiny_model, tmp_path_factory):
    """A whole run of the arms `base` and `base-2`, the latter trained until it knows two drawn texts by heart.

    So what it says, greedily, does not hang on the last bits of a product, which differ on a 4-bit base.
    """
    from longcot.curation.pool import read_pool
    from longcot.curation.task import curate_arms
    from longcot.problems.sources import load_problems
    from longcot.qlora.task import train_arm
    from longcot.sampling.task import sample_arm

    folder = tmp_path_factory.mktemp("run")
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ASKED))
    elsewhere = {"path": "org/other", "server": {"urls": ["http://secret-host:8000/v1"], "key": "SECRET_KEY"}}
    given = {"source": str(folder / "problems.jsonl")}
    study = Study(
        name="tiny",
        title="Tiny | study",
        problems={"train": given, "benchmark": given},
        models={"base": {"path": str(tiny_model)}, "elsewhere": elsewhere},
        sampling={"temperature": 0.0, "max_tokens": 24, "samples": 1},
        training_traces=[{"model": "base", "temperature": 1.0}],
        lora={"epochs": 40, "learning_rate": 0.01, "compute_dtype": "float32"},
        main_arm="base",
        arms=[
            {"name": "base", "model": "base"},
            {"name": "base-2", "model": "base", "data": {"teacher": "base", "n": 2, "filters": []}},
        ],
        deviations=["The model is random."],
        licenses={str(tiny_model): "mit", given["source"]: "cc0-1.0"},
    )
    (folder / "study.yaml").write_text(yaml.safe_dump(study.model_dump()))
    for job in study_jobs(study):
        problems = load_problems(**job.settings["problems"]) if "problems" in job.settings else []
        for task in job.tasks if job.notebook.startswith("01") else []:
            changes = {"adapter": str(folder / "adapters" / task.name)} if task.adapter else {}
            if "training" in job.name:
                changes["sampling"] = task.sampling.model_copy(update={"max_tokens": 8})
            sample_arm(task.model_copy(update=changes), problems, folder)
        if job.notebook.startswith("02"):
            curate_arms(job.tasks, read_pool(folder, [task.traces for task in job.tasks], problems), "", folder)
        for task in job.tasks if job.notebook.startswith("03") else []:
            train_arm(task, folder)
    files = {arm.name: folder / f"traces/{arm.name}/benchmark.jsonl" for arm in study.arms}
    making = Product(folder / "tables/arms.csv", {}, files.values())
    rows = [
        {"arm": name, "model": "base", "n_train": 2 * (name == "base-2")} | score_arm(read_traces(path))
        for name, path in files.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "tables/arms.csv", index=False)
    making.finish()
    return folder


@pytest.fixture(scope="module")
def published(run_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "new"
    publish(run_dir, "base-2", folder, license="mit", base="somebody/tiny")
    return folder


def test_the_cards_are_read_by_the_hubs_library(published):
    card = ModelCard.load(published / "adapter/README.md")
    assert (card.data.base_model, card.data.library_name, card.data.license) == ("somebody/tiny", "peft", "mit")
    assert [(one.metric_type, one.metric_value, one.dataset_name) for one in card.data.eval_results] == [
        ("pass@1", 0.0, "problems")
    ]
    assert card.data.datasets is None, "where the data will lie was not said"
    facts = ["| **base-2** | base | 2 | 0.0 (0.0 to ", "- The model is random.", "n 2, ", "| learning_rate | 0.01 |"]
    facts += ["| base | `somebody/tiny` | mit |", "| problems | `problems` | cc0-1.0 |", "2507.09850"]
    facts = [fact.replace("`problems`", "`problems.jsonl`") for fact in facts]
    assert not [fact for fact in facts if fact not in card.text]
    assert len(set(re.findall(r"`[0-9a-f]{64}`", card.text))) == 5, "adapter, training set, traces, scores, base"
    data = DatasetCard.load(published / "dataset/README.md")
    assert data.data.license == "mit" and "| problems | `problems.jsonl` | cc0-1.0 |" in data.text
    assert "problems `problems.jsonl`: cc0-1.0" in (published / "dataset/DATASHEET.md").read_text()


def test_the_code_in_the_card_gives_what_the_study_sampled(published, run_dir, tiny_model, capsys):
    code = re.search(r"```python\n(.*?)```", (published / "adapter/README.md").read_text(), re.DOTALL)[1]
    code = code.replace("path/to/this/folder", str(published / "adapter")).replace("somebody/tiny", str(tiny_model))
    names: dict = {}
    exec(code, names)
    base, tuned = (read_traces(run_dir / f"traces/{arm}/benchmark.jsonl")[0] for arm in ("base", "base-2"))
    assert capsys.readouterr().out == tuned.text + "\n" != base.text + "\n"
    stop = names["tokenizer"].convert_tokens_to_ids("<|im_end|>")
    assert names["output"][0, -1] == stop and tuned.finish_reason == "stop", "it stops at the end of its turn"


@pytest.mark.parametrize(
    "arm, source",
    [
        ("reasoner-20-a", "| teacher | `Qwen/QwQ-32B-Preview` | apache-2.0 |"),
        ("human-stage4-50", "| problems and traces | `nvidia/Nemotron-Math-HumanReasoning` | cc-by-nc-4.0 |"),
    ],
)
def test_the_card_of_an_arm_of_the_papers_study(arm, source, run_dir, monkeypatch):
    """Its base is on the Hub at a revision, its teachers are a model there and people."""
    monkeypatch.delenv("LONGCOT_DATA", raising=False)
    paper = load_study("params/paper.yaml")
    done = finished_arm(run_dir, "base-2")
    done = replace(done, study=paper, arm=paper.arm(arm), scores=[done.score | {"arm": arm}])
    text = str(model_card(done, Where("Qwen/Qwen2.5-32B", True, "me/x", "other"), "{problem}"))
    assert ModelCard(text).data.eval_results[0].dataset_name == "comp-math-24-25"
    assert source in text and "| base | `Qwen/Qwen2.5-32B` | apache-2.0 |" in text
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert code.count(f'revision="{paper.models["base"].revision}"') == 2
    compile(code, "card", "exec")


def test_the_data_load(published, run_dir, tmp_path):
    from datasets import load_dataset

    rows = load_dataset(str(published / "dataset"), split="train", cache_dir=str(tmp_path)).to_list()
    assert rows == [json.loads(line) for line in (run_dir / "training_sets/base-2.jsonl").open()]


def test_nothing_of_this_machine_is_in_it(published, run_dir, tiny_model):
    private = [str(run_dir), str(tiny_model.parent), str(ROOT), f"{Path.home()}/", "secret-host", "SECRET_KEY"]
    files = [path for path in published.rglob("*") if path.is_file()]
    assert {path.relative_to(published).as_posix() for path in files} == {
        *(f"adapter/{name}" for name in ("adapter_config.json", "adapter_model.safetensors", "generation_config.json")),
        *("adapter/README.md", "dataset/README.md", "dataset/DATASHEET.md", "dataset/data/train.parquet"),
    }
    assert not [(path.name, word) for path in files for word in private if word.encode() in path.read_bytes()]
    assert json.loads((published / "adapter/adapter_config.json").read_text())["base_model_name_or_path"] == (
        "somebody/tiny"
    )


def test_the_command(run_dir, tmp_path, capsys):
    words = ["publish", str(run_dir), "base-2", str(tmp_path / "new"), "--base", "somebody/tiny", "--repo", "me/tiny-2"]
    assert main(words) == 0
    assert f"hf upload me/tiny-2 {tmp_path}/new/dataset --repo-type dataset" in capsys.readouterr().out
    card = ModelCard.load(tmp_path / "new/adapter/README.md")
    assert card.data.datasets == ["me/tiny-2"] and 'adapter = "me/tiny-2"' in card.text
    assert card.data.license == "unknown" and "These files: not stated." in card.text
    assert main(words) == 1
    assert capsys.readouterr().err == "error: new: it is there and not empty; name a new folder\n"


@pytest.mark.parametrize(
    "arm, options, message",
    [
        ("base", {}, "arm base is not fine-tuned, and has no adapter; did you mean base-2?"),
        ("base-3", {}, "arm base-3 is not there; did you mean base-2?"),
        ("base-2", {"base": ""}, "base-2: its base 'tiny0' is a directory that no reader has; .* --base"),
        ("base-2", {"base": "./tiny"}, "--base ./tiny: not a Hub id"),
        ("base-2", {"repo": "tiny"}, "--repo tiny: not a Hub id"),
    ],
)
def test_what_cannot_be_published(arm, options, message, run_dir, tmp_path):
    with pytest.raises(BadInput, match=message):
        publish(run_dir, arm, tmp_path / "new", **{"base": "somebody/tiny"} | options)
    assert not list(tmp_path.iterdir())


def _begin_again(run):
    (run / "adapters/base-2.manifest.json").unlink()


def _change(run):
    (run / "adapters/base-2/adapter_model.safetensors").write_bytes(b"others")


def _sample_again(run):
    traces = run / "traces/base-2/benchmark.jsonl"
    traces.write_bytes(traces.read_bytes() + b"\n")
    made = json.loads(manifest_path(traces).read_text())
    manifest_path(traces).write_text(json.dumps(made | {"sha256": sha256(traces)}))


@pytest.mark.parametrize(
    "happens, message",
    [
        (_begin_again, "base-2: not finished; run the study to its end first"),
        (_change, "base-2: changed since its manifest was written"),
        (_sample_again, "arms.csv: made from another benchmark traces than is there"),
        (lambda run: (run / "study.yaml").unlink(), "run: no study.yaml in it; give the directory of a study"),
    ],
)
def test_a_run_that_is_not_finished(happens, message, run_dir, tmp_path):
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    happens(run)
    with pytest.raises(BadInput, match=message):
        publish(run, "base-2", tmp_path / "new", base="somebody/tiny")
    assert not (tmp_path / "new").exists()
