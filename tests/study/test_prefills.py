"""Arms whose responses begin as another arm's: their order, and what is refused."""

import pytest
import yaml

from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.run.jobs import study_jobs
from longcot.study.reading import load_study

STUDY = yaml.safe_load((ROOT / "params/miniature.yaml").read_text())
BASE, REASONER = {"name": "base", "model": "base"}, {"name": "reasoner", "model": "reasoner"}
FIRST = {"name": "first", "model": "base", "prefill": {"arm": "reasoner", "tokens": 8}}
SECOND = {"name": "second", "model": "base", "prefill": {"arm": "first", "lines": 1}}
LEARNT = FIRST | {"name": "learnt", "data": {"teacher": "reasoner", "n": 2}}


def study_of(folder, *arms: dict, **changes):
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"published": {}, "arms": [BASE, *arms]} | changes))
    return load_study(folder / "study.yaml")


def test_an_arm_is_sampled_after_the_arm_that_begins_its_responses(tmp_path):
    text = BASE | {"name": "text", "prefill": {"text": "Let me"}}
    jobs = study_jobs(study_of(tmp_path, SECOND, LEARNT, FIRST, REASONER, text))
    made_by = {product: job for job in jobs for product in job.products}
    of = {name: made_by[f"traces/{name}/benchmark.jsonl"] for name in ("second", "learnt", "first", "reasoner", "text")}
    assert of["reasoner"].name in of["first"].after and of["first"].name in of["second"].after
    assert {of["reasoner"].name, made_by["adapters/learnt"].name} <= set(of["learnt"].after)
    assert of["text"] is made_by["traces/base/benchmark.jsonl"] and not of["text"].after
    assert {job.name for job in of.values()} <= set(jobs[-1].after), "all are plotted"
    task = next(task for task in of["first"].tasks if task.name == "first")
    assert task.prefill_traces == "traces/reasoner/benchmark.jsonl" and task.own["prefill"] == FIRST["prefill"]
    seen: set[str] = set()
    for job in jobs:
        assert seen.issuperset(job.after)
        seen.add(job.name)


@pytest.mark.parametrize(
    "arms, changes, words",
    [
        ([FIRST], {}, "arm first: prefill of 'reasoner', no arm with traces"),
        ([REASONER, FIRST | {"prefill": {"arm": "second", "lines": 1}}, SECOND], {}, "waits for it in a circle"),
        ([FIRST | {"prefill": {"arm": "first", "lines": 1}}], {}, "in a circle"),
        ([REASONER, FIRST | {"prefill": {"arm": "reasoner", "tokens": 400}}], {}, "400 tokens of responses of 400 at"),
        ([BASE | {"name": "raw", "style": "raw"}], {}, "arm raw: style: raw without prompt.raw"),
        ([BASE | {"name": "raw", "style": "raw", "prompt": {"raw": {"template": "x"}}}], {}, "no {problem} in it"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_runs(tmp_path, arms, changes, words):
    with pytest.raises(BadInput, match=words) as raised:
        study_of(tmp_path, *arms, **changes)
    assert "\n" not in str(raised.value)


def test_a_server_that_begins_responses_itself_takes_no_prefill(tmp_path):
    models = STUDY["models"] | {"chat": STUDY["models"]["base"] | {"server": {"urls": ["http://x/v1"], "api": "chat"}}}
    with pytest.raises(BadInput, match=r"arm first: prefill with models.chat.server.api: chat"):
        study_of(tmp_path, REASONER, FIRST | {"model": "chat"}, models=models)
