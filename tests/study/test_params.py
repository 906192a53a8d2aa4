"""What the studies in params/ promise."""

import re

import pytest

from longcot.files.paths import ROOT
from longcot.problems.miniature.variants import KINDS
from longcot.problems.wordings import EDITS, STYLES
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study


@pytest.mark.parametrize("name", ["paper", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b"])
def test_what_comes_from_the_hub_is_pinned(name):
    study = load_study(f"params/{name}.yaml")
    revisions = {model.path: model.revision for model in study.models.values()}
    for problems in (study.problems.train, study.problems.benchmark):
        if not problems.source.startswith("data:"):
            revisions[problems.source] = problems.revision
    assert not [source for source, commit in revisions.items() if not re.fullmatch("[0-9a-f]{40}", commit or "")]


def test_the_papers_study_has_every_way_to_traces():
    study = load_study("params/paper.yaml")
    by_name = {traces.name: traces for traces in study.training_traces}
    learnt = [(by_name[arm.data.teacher], arm.data) for arm in study.arms if arm.trained]
    assert [data.n for traces, data in learnt if traces.model == "reasoner"] == [20, 20, 20, 1, 5, 50, 100]
    assert {traces.style for traces, data in learnt if traces.model == "instruct"} == set(STYLES) - {"few_shot"}
    assert [data.stage for traces, data in learnt if traces.edits] == [
        "",
        *(name for name in EDITS if name != "paraphrase"),
    ]
    stages = [f"human_stage{number}" for number in (1, 2, 3, 4)]
    human = [data for traces, data in learnt if traces.imported]
    assert [data.stage for data in human] == [*stages, "qwq_32b_preview"]
    assert all(data.n == 50 and not data.filters for data in human)
    others = {arm.name: arm.model for arm in study.arms if not arm.trained}
    assert others == {"base": "base", "base-few-shot": "base", "math-72b": "math-72b", "reasoner": "reasoner"}
    assert (study.sampling.samples, study.sampling.temperature, study.sampling.top_p) == (64, 0.6, 0.95)
    assert study.sampling.max_tokens == 32768 and study.models["math-72b"].context == 4096


def test_the_curation_study_draws_each_condition_five_times_or_more():
    study = load_study("params/curation.yaml")
    draws: dict[str, dict[str, list]] = {}
    for arm in study.arms:
        for name, value in arm.condition.of.items() if arm.condition else ():
            draws.setdefault(name, {}).setdefault(value, []).append(arm)
    assert set(draws) >= {"difficulty", "families", "length", "final answer", "habit", "human stage"}
    sizes = {value: {arm.data.n for arm in arms} for value, arms in draws.pop("number of traces").items()}
    assert sizes == {str(n): {n} for n in (1, 2, 5, 10, 20, 50)} and len(draws["choice"]["random"]) == 20
    assert list(draws["human stage"]) == ["1", "2", "3", "4"]
    for values in draws.values():
        for arms in values.values():
            assert len(arms) >= 5 and {arm.data.n for arm in arms} == {20} and len({arm.model for arm in arms}) == 1
    for name in ("length", "habit", "human stage"):  # the same problems, written otherwise
        kept = [arm.data.model_copy(update={"stage": "", "seed": 0}) for arms in draws[name].values() for arm in arms]
        assert len({str(data) for data in kept}) == 1
    assert study.sampling.samples == 1 and study.problems.benchmark.limit is None


WORLD_2 = """name=why-world2 problems.train.source=miniature:train@2 problems.benchmark.source=miniature:test@2
models.base.path=lib/longcot/miniature/weights/world2/base
models.reasoner.path=lib/longcot/miniature/weights/world2/base
models.reasoner.adapter=lib/longcot/miniature/weights/world2/reasoner
models.instruct.path=lib/longcot/miniature/weights/world2/base
models.instruct.adapter=lib/longcot/miniature/weights/world2/instruct"""


def test_the_study_of_what_changes_foretells_each_arm_and_differs_in_one_thing():
    study = load_study("params/why.yaml")
    check_inputs(study)
    plain = study.arm("plain-1")
    firsts = plain.condition.of
    assert len([arm for arm in study.arms if arm.condition and arm.condition.of == firsts]) == 20
    for arm in study.arms:
        assert arm.condition and (arm.condition.of == firsts or arm.condition.foretold), arm.name
        assert arm.condition.of == firsts or set(arm.condition.of) < set(firsts), arm.name
        if arm.trained and arm.condition.of != firsts:
            changed = [arm.data.parts != study.arm(f"plain-{arm.name[-1]}").data.parts, arm.loss, arm.lora]
            assert sum(map(bool, changed)) == 1 or "traces x epochs" in arm.condition.of, arm.name
    text = (ROOT / "params/why.yaml").read_text()
    assert " ".join(re.search(r'CONFIG="(.*?)"', text, re.S)[1].replace("#", " ").split()) == " ".join(WORLD_2.split())
    other = load_study("params/why.yaml", WORLD_2.split())
    check_inputs(other)
    assert "world1" not in str([other.models, other.problems])


def test_the_study_of_human_stages_trains_on_the_same_problems():
    arms = [arm for arm in load_study("params/human_stages.yaml").arms if arm.trained]
    kept = {str(arm.data.model_copy(update={"stage": "", "seed": 0})) for arm in arms}
    assert len(kept) == 1 and {arm.data.stage for arm in arms} == set(KINDS["additions"])
    assert all(sum(arm.data.stage == stage for arm in arms) >= 5 for stage in KINDS["additions"])


def test_the_real_curation_keeps_apart_what_is_not_alike():
    study = load_study("params/real_curation.yaml")
    where = {traces.name: traces.imported.where for traces in study.training_traces}
    assert len(where["short-earlier"]["model"]) == 11 and "checkpoint" not in str(where["short"])
    assert where["long-from-wrong"]["model"] != where["long"]["model"] == where["long-minerva"]["model"]
    assert not any(arm.reported for arm in study.arms) and not study.models
    assert {arm.data.teacher for arm in study.arms} == set(where)
