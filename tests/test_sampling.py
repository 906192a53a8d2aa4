import json
import os

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from longcot.errors import BadInput
from longcot.problems import Problem
from longcot.sampling import OVERFLOW, Completion, Sampling, generate_traces
from longcot.sampling.local import LocalSampler, batch_seed
from longcot.traces import read_traces

PROBLEMS = [Problem(id=f"p{n}", problem="What is " + "1 + " * n + "1?", expected_answer=str(n + 1)) for n in range(5)]
SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=12, samples=3, batch_size=4, seed=7)


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def sampler(tiny_model) -> LocalSampler:
    return LocalSampler(tiny_model, threads=1, device="cpu")


@pytest.fixture(scope="module")
def adapter(tiny_model, tmp_path_factory):
    """An adapter that changes the model a lot."""
    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


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


def test_a_batch_repeats_and_seeds_differ(sampler):
    prompts = [ask("What is 1 + 1?"), ask("Hello")]
    first = sampler.sample(prompts, SAMPLING, 1)
    assert first == sampler.sample(prompts, SAMPLING, 1) != sampler.sample(prompts, SAMPLING, 2)
    assert len({batch_seed(0, "m", a, b, c) for a in ("", "x") for b in range(3) for c in ("", "join")}) == 12
    assert batch_seed(1, "m", "", 2) == 269204148394556556  # traces on disk were sampled with it


def test_no_hidden_settings(sampler):
    # The model's own file says top_k 1, with which every draw would be the same.
    draws = {sampler.sample([ask("hi")], SAMPLING, seed)[0].text for seed in range(4)}
    assert len(draws) == 4
    greedy = Sampling(temperature=0.0, max_tokens=20)
    (ours,) = sampler.sample([ask("hi")], greedy, 0)
    ids = sampler.tokenizer("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    for _ in range(20):  # greedy by hand: no repetition penalty
        ids = torch.cat([ids, sampler.base(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
        if ids[0, -1].item() in sampler.stops:
            break
    assert ours.text == sampler.tokenizer.decode(ids[0, start:], skip_special_tokens=True)
    assert (ours.prompt_tokens, ours.completion_tokens) == (start, ids.shape[1] - start)


def test_padding_does_not_change_a_response(sampler):
    greedy = Sampling(temperature=0.0, max_tokens=15)
    short, long = ask("hi"), ask("What is 1 + 1 + 1 + 1 + 1 + 1 + 1?")
    assert sampler.sample([short, long], greedy, 0)[0] == sampler.sample([short], greedy, 0)[0]


@pytest.mark.parametrize("stop", ["<|im_end|>", "<|endoftext|>"])
def test_stops_at_the_end_of_the_turn(tiny_model, stop, monkeypatch):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    token = sampler.tokenizer.convert_tokens_to_ids(stop)
    forward = sampler.model.forward

    def ends_at_third(*args, **kwargs):
        out = forward(*args, **kwargs)
        calls.append(1)
        out.logits[:, -1] = -10.0
        out.logits[:, -1, token if len(calls) == 3 else 40] = 10.0
        return out

    calls: list[int] = []
    monkeypatch.setattr(sampler.model, "forward", ends_at_third)
    (done,) = sampler.sample([ask("hi")], Sampling(temperature=0.0, max_tokens=10), 0)
    assert (done.finish_reason, done.completion_tokens) == ("stop", 3)
    assert stop not in done.text and done.text


def test_the_context_is_the_limit(sampler):
    # 256 tokens of context; bytes are tokens here.
    sampling = Sampling(temperature=1.0, max_tokens=200)
    long, short = sampler.sample([ask("9" * 200), ask("hi")], sampling, 3)
    assert long.finish_reason == "length" and long.prompt_tokens + long.completion_tokens == 256
    assert short.completion_tokens > long.completion_tokens
    over, beside = sampler.sample([ask("9" * 400), ask("hi")], sampling, 3)
    assert (over.text, over.finish_reason, over.completion_tokens) == ("", OVERFLOW, 0) and over.prompt_tokens > 400
    assert beside == sampler.sample([ask("hi")], sampling, 3)[0]


def test_a_study_may_bound_the_context(tiny_model):
    bounded = LocalSampler(tiny_model, threads=1, device="cpu", context=100)
    (done,) = bounded.sample([ask("hi")], Sampling(temperature=1.0, max_tokens=200), 3)
    assert done.finish_reason == "length" and done.prompt_tokens + done.completion_tokens == 100


def test_adapters_come_and_go(sampler, adapter, tiny_model):
    greedy = Sampling(temperature=0.0, max_tokens=12)
    base = sampler.sample([ask("hi")], greedy, 0)
    sampler.use_adapter(adapter)
    merged = sampler.sample([ask("hi")], greedy, 0)
    sampler.use_adapter(None)
    assert sampler.sample([ask("hi")], greedy, 0) == base != merged
    half = LocalSampler(tiny_model, dtype="bfloat16", threads=1, device="cpu")
    before = half.sample([ask("hi")], greedy, 0)
    weights = {name: value.clone() for name, value in half.base.state_dict().items()}
    for _ in range(2):
        half.use_adapter(adapter)
        assert half.sample([ask("hi")], greedy, 0) != before
    half.use_adapter(None)
    assert half.sample([ask("hi")], greedy, 0) == before
    assert all(torch.equal(weights[name], value) for name, value in half.base.state_dict().items())


def test_wrong_models_and_adapters(sampler, adapter, tmp_path):
    with pytest.raises(BadInput, match="cannot load"):
        LocalSampler(tmp_path / "nothing")
    with pytest.raises(BadInput, match="adapter_config"):
        sampler.use_adapter(tmp_path)
    from conftest import make_model

    other = LocalSampler(make_model(tmp_path / "other", hidden=32), threads=1, device="cpu")
    with pytest.raises(BadInput, match="does not fit"):
        other.use_adapter(adapter)


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

    from longcot.arms import sample_arm

    path = str(make_model(tmp_path / "model", context=1024))
    row = {"name": "a", "path": path, "precision": "float32", "adapter": "", "traces": "traces/a/b.jsonl"}
    row |= {"style": "outline", "context": 900, "samples": 1}
    out = sample_arm(row, PROBLEMS[:2], {"max_tokens": 5}, {"template": None, "system": "Be brief."}, tmp_path)
    manifest = json.loads((out.parent / "b.jsonl.manifest.json").read_text())
    assert manifest["first_prompt"].startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert PROBLEMS[0].problem in manifest["first_prompt"] and "Conclude" in manifest["first_prompt"]
    assert {trace.prompt_style for trace in read_traces(out)} == {"outline"}
