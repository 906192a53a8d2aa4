"""What an arm may say of its own: layers, what of its traces is learnt, epochs, several teachers, its limit."""

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.run.expected import expected_tokens
from longcot.run.jobs import study_jobs
from longcot.run.tasks import plot_tasks
from longcot.run.training_fit import check_named_modules
from longcot.study.reading import load_study
from longcot.study.study import Study

STUDY = yaml.safe_load((ROOT / "params/miniature.yaml").read_text()) | {"name": "never-run"}
DATA = {"teacher": "reasoner", "n": 20, "seed": 10}
PLAIN = {"name": "plain", "model": "base", "data": DATA}
BASE = {"name": "base", "model": "base"}


def study_of(folder, *arms: dict) -> Study:
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"arms": [BASE, *arms]}))
    return load_study(folder / "study.yaml")


def tasks_of(study: Study, notebook: str) -> dict:
    return {task.name: task for job in study_jobs(study) if job.notebook == notebook for task in job.tasks}


def test_an_epoch_at_which_an_arm_is_evaluated_is_an_arm_of_its_training(tmp_path):
    lora, condition = {"epochs": 6, "rank": 2}, {"of": {"choice": "plain", "epochs": "6"}, "draws": 2, "foretold": "up"}
    sampling = {"max_tokens": 77}
    arm = PLAIN | {"lora": lora, "condition": condition, "evaluate_at": [3, 1], "sampling": sampling}
    study = study_of(tmp_path, arm, PLAIN | {"name": "other"})
    names = [f"plain-{draw}{epoch}" for draw in (1, 2) for epoch in ("", "-epoch-3", "-epoch-1")]
    assert [arm.name for arm in study.arms] == ["base", *names, "other"]
    trained, sampled = tasks_of(study, "03_finetune_qlora"), tasks_of(study, "01_generate_traces")
    assert list(trained) == ["plain-1", "plain-2", "other"], "training once, not once an epoch"
    assert [task.keep for task in trained.values()] == [[1, 3], [1, 3], []]
    assert trained["plain-1"].recipe(1)["keep"] == [1, 3] and "keep" not in trained["other"].recipe(1)
    assert sampled["plain-2-epoch-3"].adapter == "runs/never-run/adapters/plain-2/epoch-3"
    assert sampled["plain-2-epoch-3"].sampling.max_tokens == 77 != sampled["other"].sampling.max_tokens
    assert sampled["plain-2-epoch-3"].own["checkpoint"] == {"of": "plain-2", "epoch": 3}
    assert list(tasks_of(study, "02_analyze_curation")) == ["plain-1", "plain-2", "other"]
    for job in study_jobs(study):
        benched = {task.name for task in job.tasks} if "benchmark-trained" in job.name else set()
        if "plain-1-epoch-3" in benched:
            waits = {task.name for one in study_jobs(study) if one.name in job.after for task in one.tasks}
            assert "plain-1" in waits, "it is sampled after the training that makes it"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study.model_dump()))
    assert load_study(tmp_path / "study.yaml") == study, "the resolved study has no more arms"
    plotted = {task.name: task for task in plot_tasks(study)}
    early = plotted["plain-1-epoch-3"]
    assert (early.n_train, early.data, early.epoch) == (20, "reasoner", 3)
    assert early.condition == {"epochs": "3"} and early.own["lora"] == lora
    assert (plotted["plain-1"].epoch, plotted["plain-1"].foretold, plotted["other"].epoch) == (6, "up", 0)
    length = expected_tokens(study, "plain-1-epoch-3", "base", "traces/nowhere.jsonl")
    assert length == expected_tokens(study, "other", "base", "traces/nowhere.jsonl") == (200, "assumed")


def test_what_is_learnt_stands_in_the_task_its_recipe_and_the_report(tmp_path):
    study = study_of(tmp_path, PLAIN | {"loss": {"first": 8}, "lora": {"layers": [0, 2]}}, PLAIN | {"name": "all"})
    tasks = tasks_of(study, "03_finetune_qlora")
    first, every = tasks["plain"].recipe(1), tasks["all"].recipe(1)
    assert first["loss"] == first["arm"]["loss"] == {"first": 8} and first["lora"]["layers"] == [0, 2]
    assert "loss" not in every and "layers" not in every["lora"]
    assert plot_tasks(study)[1].own == {"lora": {"layers": [0, 2]}, "loss": {"first": 8}}
    assert "loss" not in tasks_of(study, "01_generate_traces")["plain"].own, "sampling knows the adapter alone"
    check_named_modules(study)


def test_several_teachers_are_one_set(tmp_path):
    also = [{"teacher": "instruct", "n": 10, "filters": ["correct"]}]
    study = study_of(
        tmp_path, PLAIN | {"data": DATA | {"n": 5, "also": also}, "condition": {"of": {"a": "b"}, "draws": 2}}
    )
    assert [[part.seed for part in arm.data.parts] for arm in study.arms[1:]] == [[11, 1], [12, 2]]
    task = tasks_of(study, "02_analyze_curation")["plain-1"]
    assert [part.traces for part in task.parts] == ["traces/reasoner/training.jsonl", "traces/instruct/training.jsonl"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study.model_dump()))
    plotted = plot_tasks(study)[1]
    assert (plotted.n_train, plotted.data) == (15, "reasoner + instruct")
    tokens, _ = expected_tokens(study, "plain-1", "base", "traces/nowhere.jsonl")
    assert tokens == (5 * 200 + 10 * 20) / 15


@pytest.mark.parametrize(
    "arm, message",
    [
        (PLAIN | {"lora": {"layers": [0, 7]}}, "arm plain: lora.layers: the base has layers 0 to 2, and no layer 7"),
        (PLAIN | {"lora": {"layers": {"first": 2}}}, "lora.layers"),
        (PLAIN | {"lora": {"target_modules": r".*q_proj", "layers": [0]}}, "let the pattern name the layers"),
        (PLAIN | {"loss": {"first": 8, "after": 8}}, "give one of first, after, only and but"),
        (PLAIN | {"loss": {"only": "checking"}}, "'checking' marks nothing; use one of verification"),
        (PLAIN | {"loss": {"first": 401}}, "arm plain: loss.first 401 of traces of 400 tokens at most"),
        (BASE | {"name": "b", "loss": {"first": 8}}, "loss of an arm that is not fine-tuned"),
        (BASE | {"name": "b", "evaluate_at": [1]}, "evaluate_at of an arm that is not fine-tuned"),
        (PLAIN | {"evaluate_at": [30]}, "arm plain: evaluate_at 30, but its training ends after 30 epochs"),
        (PLAIN | {"evaluate_at": [1, 1]}, "plain-epoch-1 stands twice"),
        (BASE | {"name": "b", "checkpoint": {"of": "no", "epoch": 1}}, "arm b: checkpoint of 'no', no arm of 'base'"),
        (PLAIN | {"checkpoint": {"of": "x", "epoch": 1}}, "it learns nothing itself"),
        (PLAIN | {"data": DATA | {"also": [{"teacher": "x", "n": 1}]}}, "arm plain: no training_traces of 'x'"),
        (PLAIN | {"data": DATA | {"also": [DATA | {"also": [DATA]}]}}, "also within also"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(tmp_path, arm, message):
    with pytest.raises(BadInput, match=message) as raised:
        check_named_modules(study_of(tmp_path, arm))
    assert "\n" not in str(raised.value)
