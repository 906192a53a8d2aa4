import json

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.qlora.settings import LoraSettings
from longcot.run import training_fit
from longcot.run.jobs import study_jobs
from longcot.run.notebook import check_parameters
from longcot.run.tasks import plot_tasks
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study

STUDY = (ROOT / "params/miniature.yaml").read_text()
ARMS = """base base-few-shot instruct reasoner reasoner-20-a reasoner-20-b reasoner-20-c instruct-20 reasoner-1
reasoner-5 reasoner-50""".split()


def test_the_miniature_study_has_its_arms():
    study = load_study("params/miniature.yaml")
    check_inputs(study)
    assert [arm.name for arm in study.arms] == ARMS
    assert {model.precision for model in study.models.values()} == {"nf4"}, "one base, one precision"


@pytest.mark.parametrize("file", sorted((ROOT / "params").glob("*.yaml")), ids=lambda file: file.stem)
def test_notebooks_take_what_their_jobs_give(file):
    jobs = study_jobs(load_study(file))
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    for job in jobs:
        check_parameters(ROOT / "notebooks" / f"{job.notebook}.ipynb", job.parameters)
        assert set(job.after) <= set(names[: names.index(job.name)])


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("learning_rate: 1.0e-3", "learning_rate: 1e-3", r":23: lora\.learning_rate: '1e-3' is a text to YAML"),
        ("max_tokens:", "max_token:", r":15: .*max_token: unknown key 'max_token'; did you mean 'max_tokens'\?"),
        ("main_arm: base", "main_arm: bas", r"main_arm: no arm 'bas'; use one of base,"),
        ("main_arm:", "mainarm:", r":25: mainarm: unknown key 'mainarm'; did you mean 'main_arm'"),
        ("name: reasoner-50", "name: ../x", r":37: arms\.10\.name: String should match"),
        ("name: reasoner-50", "name: base", "arms: base stands twice"),
        ("{name: base, model: base}", "{name: base, model: bse}", "arm base: no model 'bse'"),
        ("samples: 4, batch_size", "samples: four, batch_size", r":15: sampling\.samples: 'four' is a text"),
        ("title: Teaching", "title: [Teaching", r":\d+: not YAML"),
        ("teacher: reasoner, n: 50", "teacher: nobody, n: 50", "arm reasoner-50: no training_traces of 'nobody'"),
        ("reasoner, n: 50", "reasoner, stage: join, n: 50", "reasoner has no stage 'join'; its edits: none"),
        ("{model: base, samples: 1}", "{model: base, name: reasoner}", "training_traces: reasoner stands twice"),
        ("reasoner-50, model: base", "reasoner-50, model: reasoner", "'reasoner' is no nf4 base without an adapter"),
        (
            "{name: base, model: base}",
            "{name: base, use: curate}",
            r":27: arms\.0: use: curate without data",
        ),
        (
            "{name: base, model: base}",
            "{name: base, model: base, condition: {of: {}}}",
            r":27: .*condition\.of: Dict",
        ),
        ("model: base}", "model: base, condition: {of: {a: b}, draws: 3}}", r":27: arms\.0: 3 draws without data; say"),
        (
            "model: base, data: {teacher: reasoner, n: 50",
            "use: curate, data: {teacher: nobody, n: 50",
            "no training_traces of",
        ),
        ("{model: base, samples: 1}", "{name: base}", r":20: training_traces\.2: give a model to sample, or imported"),
    ],
)
def test_a_bad_study_is_one_line_with_place_and_fix(tmp_path, old, new, message):
    assert old in STUDY
    (tmp_path / "study.yaml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(BadInput, match=message) as raised:
        load_study(tmp_path / "study.yaml")
    assert "\n" not in str(raised.value) and "study.yaml" in str(raised.value)


@pytest.mark.parametrize(
    "place, value, message",
    [
        (("models", "reasoner", "adapter"), "lib/longcot/nowhere", r"models\.reasoner\.adapter: no directory"),
        (("problems", "benchmark", "source"), "params/nowhere.jsonl", r"params/nowhere\.jsonl: no such file"),
        (("problems", "benchmark", "source"), "miniature:dev", "miniature:dev"),
    ],
)
def test_what_a_study_starts_from_must_be_there(tmp_path, place, value, message):
    values = yaml.safe_load(STUDY)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(BadInput, match=message):
        check_inputs(load_study(tmp_path / "study.yaml"))


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    """Keys and types; names that do not go together; and what is not there, each in a line with its fix."""
    changes = {"max_tokens:": "max_token:", "1.0e-3": "1e-3", "{name: base, model: base}": "{name: base, modl: base}"}
    text = STUDY
    for old, new in changes.items():
        text = text.replace(old, new, 1)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(BadInput) as raised:
        load_study(tmp_path / "study.yaml")
    wrong = ("unknown key 'max_token'", "unknown key 'modl'; did you mean 'model'", "'1e-3' is a text")
    assert len(raised.value.lines) == 3
    assert all(words in line for words, line in zip(wrong, raised.value.lines, strict=True)), raised.value.lines
    text = STUDY.replace("main_arm: base", "main_arm: bas").replace(
        "teacher: reasoner, n: 50", "teacher: nobody, n: 50"
    )
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(BadInput) as raised:
        load_study(tmp_path / "study.yaml")
    assert [line.split(": ")[2] for line in raised.value.lines] == ["main_arm", "arm reasoner-50"]
    values = yaml.safe_load(STUDY)
    values["models"]["reasoner"]["adapter"], values["problems"]["benchmark"]["source"] = "lib/no", "data/no.jsonl"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(BadInput) as raised:
        check_inputs(load_study(tmp_path / "study.yaml"))
    assert len(raised.value.lines) == 2
    assert "lib/no (looked for in the project, wherever the study lies)" in raised.value.lines[1]


TRACES = [{"q": f"{i}?", "a": str(i), "t": "x", "end": "stop", "part": i % 2} for i in range(4)]


@pytest.mark.parametrize(
    "keys, data, message",
    [
        (
            {"finish_reason": "ending"},
            {},
            r"no row has the key 'ending' \(for our 'finish_reason'\); its rows have 'q',",
        ),
        ({"completion_tokens": "end.tokens"}, {}, r"no row has the key 'end.tokens'"),
        ({}, {"n": 5}, "arm set: n is 5, but of the traces of t there are 4 of 4 problems, so at most 4 to choose"),
        ({"stage": "part"}, {"n": 3, "stage": "1"}, "of the traces of t at stage '1' there are 2 of 2 problems"),
        ({"stage": "part"}, {"n": 2, "stage": "1"}, None),
    ],
)
def test_what_imported_traces_lack_is_found_before_anything_runs(tmp_path, keys, data, message):
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row | {"part": str(row["part"])}) + "\n" for row in TRACES))
    keys = {"problem": "q", "expected_answer": "a", "text": "t"} | keys
    imported = {"source": str(tmp_path / "t.jsonl"), "keys": keys}
    arm = {"name": "set", "use": "curate", "data": {"teacher": "t", "n": 1} | data}
    values = CURATED | {"training_traces": [{"name": "t", "imported": imported}], "arms": [arm]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    study = load_study(tmp_path / "study.yaml")
    if message is None:
        assert check_inputs(study) == [
            "  checked: keys and values, whether t can give as many traces as arms want, 1 file of traces"
        ]
    else:
        with pytest.raises(BadInput, match=message):
            check_inputs(study)


def test_more_traces_than_a_teacher_will_have(tmp_path):
    with pytest.raises(BadInput, match="arm reasoner-50: n is 500, but of the traces of reasoner there are"):
        check_inputs(load_study("params/miniature.yaml", ["arms.10.data.n=500"]))


def test_16_bits_on_a_cpu_are_warned_of(monkeypatch):
    monkeypatch.setattr(training_fit, "cards", list)
    assert training_fit.slow_on_cpu(load_study("params/miniature.yaml")) == []
    study = load_study("params/miniature.yaml", ["name=other", "lora={}"])
    assert "compute_dtype: float32 avoids that" in training_fit.slow_on_cpu(study)[0]
    monkeypatch.setattr(training_fit, "cards", lambda: ["a GPU"])
    assert training_fit.slow_on_cpu(study) == []


def test_values_of_a_study_can_be_replaced():
    changed = load_study("params/miniature.yaml", ["name=other", "models.base.path=x/y", "arms.3.name=r", "lora={}"])
    assert (changed.name, changed.models["base"].path, changed.arms[3].name) == ("other", "x/y", "r")
    assert changed.lora.epochs == LoraSettings().epochs
    for bad in ("name", "arms.30.name=r", "arms.x.name=r", "name.first=x", "=1", "name=[", "models=1"):
        with pytest.raises(BadInput, match="--config|models"):
            load_study("params/miniature.yaml", [bad])


def test_unknown_and_mistyped_notebook_parameters_are_refused(tmp_path):
    notebook = ROOT / "notebooks/01_generate_traces.ipynb"
    with pytest.raises(BadInput, match="no parameter 'thread'; did you mean threads"):
        check_parameters(notebook, {"thread": 1})
    with pytest.raises(BadInput, match="parameter threads is str '1', wanted int"):
        check_parameters(notebook, {"threads": "1"})
    (tmp_path / "n.ipynb").write_text("<<<<<<< ours")
    with pytest.raises(BadInput, match="n.ipynb: not a notebook"):
        check_parameters(tmp_path / "n.ipynb", {})


def test_a_resolved_study_is_the_study(tmp_path):
    """What stands in a run directory reads back, for a person and for notebook 04 by hand."""
    study = load_study("params/miniature.yaml")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study.model_dump(), sort_keys=False))
    again = load_study(tmp_path / "study.yaml")
    jobs = [json.dumps([job.parameters for job in study_jobs(one)]) for one in (study, again)]
    assert again == study and jobs[0] == jobs[1], "or Snakemake takes a job for another, and runs it again"
    assert [arm.name for arm in plot_tasks(again)] == ARMS


CURATED = {
    "name": "curated",
    "title": "Only curated",
    "training_traces": [
        {"name": "t", "imported": {"source": "x.jsonl", "keys": {}, "where": {"model": ["a", "b"], "style": "c"}}}
    ],
    "arms": [{"name": "set", "use": "curate", "data": {"teacher": "t", "n": 2}}],
}


def test_a_condition_is_an_arm_a_draw(tmp_path):
    drawn = {"name": "long", "model": "base", "condition": {"of": {"length": "long"}, "draws": 3}}
    drawn |= {"data": {"teacher": "reasoner", "n": 5, "seed": 10}}
    values = yaml.safe_load(STUDY) | {"arms": [{"name": "base", "model": "base"}, drawn]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    study = load_study(tmp_path / "study.yaml")
    assert [arm.name for arm in study.arms] == ["base", "long-1", "long-2", "long-3"]
    assert [arm.data.seed for arm in study.arms[1:]] == [11, 12, 13]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study.model_dump()))
    assert load_study(tmp_path / "study.yaml") == study, "the resolved study is not drawn once more"
    plotted = {arm.name: arm.condition for arm in plot_tasks(study)}
    assert plotted == {"base": {}} | dict.fromkeys(("long-1", "long-2", "long-3"), {"length": "long"})


def test_a_study_that_only_curates_trains_and_plots_nothing(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(CURATED))
    jobs = study_jobs(load_study(tmp_path / "study.yaml"))
    assert [job.notebook for job in jobs] == ["01_generate_traces", "02_analyze_curation"]
    assert jobs[0].parameters["imports"][0]["imported"]["where"] == {"model": ["a", "b"], "style": "c"}
    assert jobs[1].products == ["training_sets/set.jsonl"]


def test_world_2_is_the_same_study_in_another_world():
    other = (ROOT / "params/miniature-world2.yaml").read_text().split("\n", 1)[1]
    for mine, theirs in (
        ("miniature-world2", "miniature"),
        ("miniature, world 2", "miniature"),
        ("@2", ""),
        ("world2", "world1"),
    ):
        other = other.replace(mine, theirs)
    assert other == STUDY.split("\n", 1)[1]
