import json
import os

import pytest
from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.sampling.generate import generate_traces
from longcot.sampling.requests import OVERFLOW, Completion
from longcot.sampling.settings import Sampling
from longcot.traces.trace import read_traces

PROBLEMS = [Problem(id=f"p{n}", problem="What is " + "1 + " * n + "1?", expected_answer=str(n + 1)) for n in range(5)]
SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=12, samples=3, batch_size=4, seed=7)


class Killed(BaseException):
    pass


class KilledAfter:
    """A sampler whose process dies when it should give its n-th batch."""

    def __init__(self, sampler, batches):
        self.sampler, self.left = sampler, batches

    def responses(self, *args, **kwargs):
        for pairs in self.sampler.responses(*args, **kwargs):
            if self.left == 0:
                raise Killed
            self.left -= 1
            yield pairs


class Canned:
    """A sampler that says the next of `texts`, again and again, and keeps the requests."""

    def __init__(self, *texts):
        self.texts, self.asked = texts, []

    def responses(self, requests, done, sampling, *, model, adapter):
        for request in requests:
            if request.key not in done:
                text = self.texts[len(self.asked) % len(self.texts)]
                self.asked.append(request)
                reason = OVERFLOW if text == "" else "stop"
                yield [(request, Completion(text, reason, 5, 4))]


def test_sampling_is_strict():
    for wrong in ({"max_tokens": 5, "top_k": 3}, {"max_tokens": "5"}, {"max_tokens": 5, "temperature": -1.0}, {}):
        with pytest.raises(ValidationError):
            Sampling.model_validate(wrong)


def test_generate_traces_grades_and_numbers(sampler, tmp_path):
    path = generate_traces(sampler, PROBLEMS, tmp_path / "t.jsonl", SAMPLING, model="tiny", progress=False)
    traces = read_traces(path)
    assert {t.key for t in traces} == {(p.id, n, "") for p in PROBLEMS for n in range(3)}
    assert all(t.correct is not None and t.model == "tiny" and t.prompt_style == "zero_shot" for t in traces)
    assert all(t.finish_reason in ("stop", "length") and 0 < t.completion_tokens <= 12 for t in traces)
    assert len({t.text for t in traces}) > 10


@pytest.mark.parametrize("batches, rows", [(0, None), (2, None), (3, 9), (3, 10)])
def test_killed_and_resumed_gives_the_same_bytes(sampler, tmp_path, batches, rows):
    whole = generate_traces(sampler, PROBLEMS, tmp_path / "whole.jsonl", SAMPLING, model="tiny", progress=False)
    cut = tmp_path / "cut.jsonl"
    with pytest.raises(Killed):
        generate_traces(KilledAfter(sampler, batches), PROBLEMS, cut, SAMPLING, model="tiny", progress=False)
    if rows:  # the kill tore a batch, and the last line
        lines = whole.read_bytes().splitlines(keepends=True)
        cut.write_bytes(b"".join(lines[:rows]) + lines[rows][:20])
    generate_traces(sampler, PROBLEMS, cut, SAMPLING, model="tiny", progress=False)
    assert cut.read_bytes() == whole.read_bytes()
    os.utime(cut, (1, 1))
    generate_traces(KilledAfter(sampler, 0), PROBLEMS, cut, SAMPLING, model="tiny", progress=False)
    assert cut.stat().st_mtime == 1  # nothing was sampled or written


def test_a_prompt_that_overflows_is_marked_and_the_rest_go_on(sampler, tmp_path):
    long, out = Problem(id="huge", problem="9" * 400, expected_answer="1"), tmp_path / "t.jsonl"
    generate_traces(sampler, [*PROBLEMS, long], out, SAMPLING, model="tiny", progress=False)
    traces = read_traces(out)
    assert len(traces) == 18 and len({trace.key for trace in traces}) == 18
    marked = [trace for trace in traces if trace.finish_reason == OVERFLOW]
    assert {(t.problem_id, t.text, t.answer, t.correct) for t in marked} == {("huge", "", None, False)}
    before = out.read_bytes()
    generate_traces(KilledAfter(sampler, 0), [*PROBLEMS, long], out, SAMPLING, model="tiny", progress=False)
    assert out.read_bytes() == before
    with pytest.raises(BadInput, match="context"):
        generate_traces(sampler, [long], tmp_path / "none.jsonl", SAMPLING, model="tiny", progress=False)
    assert read_traces(tmp_path / "none.jsonl") == []  # a longer context starts from nothing


def test_edit_passes_are_stages_with_parents(tmp_path):
    out = tmp_path / "t.jsonl"
    one = Sampling(max_tokens=9, samples=1)
    canned = Canned("first \\boxed{1}", "", "second \\boxed{2}", "third", "fourth", "joined", "again")
    how = {"model": "canned", "edits": ["verify", "join"], "progress": False}
    generate_traces(canned, PROBLEMS[:3], out, one, **how)
    found = [(t.problem_id, t.stage, t.parent, t.text.split()[0] if t.text else "") for t in read_traces(out)]
    assert found == [  # the longest problem first; the second had no room and has no children
        ("p2", "", "", "first"),
        ("p1", "", "", ""),
        ("p0", "", "", "second"),
        ("p2", "verify", "", "third"),
        ("p0", "verify", "", "fourth"),
        ("p2", "join", "verify", "joined"),
        ("p0", "join", "verify", "again"),
    ]
    edited = canned.asked[3].messages[-1]["content"]
    assert "first \\boxed{1}" in edited and PROBLEMS[2].problem in edited
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:4]))  # cut within the first pass
    rest = Canned("fourth", "joined", "again")
    generate_traces(rest, PROBLEMS[:3], out, one, **how)
    assert [request.key for request in rest.asked] == [("p0", 0, "verify"), ("p2", 0, "join"), ("p0", 0, "join")]
    assert out.read_bytes() == b"".join(lines)


def test_progress_shows_the_time_left(tmp_path, capsys):
    path = generate_traces(Canned("\\boxed{1}"), PROBLEMS, tmp_path / "t.jsonl", SAMPLING, model="canned")
    assert "15/15" in capsys.readouterr().err
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum(row["correct"] for row in rows) == 3


def test_an_arm_says_what_it_saw(tmp_path):
    from conftest import make_model

    from longcot.sampling.task import SampleTask, sample_arm

    path = str(make_model(tmp_path / "model", context=1024))
    row = {"name": "a", "base": {"path": path, "precision": "float32"}, "traces": "traces/a/b.jsonl"}
    row |= {"style": "outline", "context": 900, "sampling": {"max_tokens": 5}, "prompt": {"system": "Be brief."}}
    out = sample_arm(SampleTask.model_validate(row), PROBLEMS[:2], tmp_path)
    manifest = json.loads((out.parent / "b.jsonl.manifest.json").read_text())
    assert manifest["first_prompt"].startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert PROBLEMS[0].problem in manifest["first_prompt"] and "Conclude" in manifest["first_prompt"]
    assert {trace.prompt_style for trace in read_traces(out)} == {"outline"}
