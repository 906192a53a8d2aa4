"""Responses that begin with what is given, and problems in a document's format: in process and on a server."""

import os
from pathlib import Path

import pytest
from miniature_server import MiniatureServer
from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.manifest import read_manifest
from longcot.files.paths import ROOT
from longcot.grading.grade import grade
from longcot.models.base import Base
from longcot.problems.prompts import Prompt
from longcot.problems.sources import load_problems
from longcot.sampling.local import LocalSampler
from longcot.sampling.prefill import Prefill
from longcot.sampling.settings import Sampling, Server
from longcot.sampling.task import SampleTask, sample_arm
from longcot.traces.trace import Trace, read_traces, write_traces

BASE = ROOT / "lib/longcot/miniature/weights/world1/base"
PROBLEMS = load_problems("miniature:test", limit=4)
SAMPLING = Sampling(temperature=0.0, max_tokens=24, samples=2)
TEXT = "Let me go step by step.\nday 1: 3+4=7.\nday 2: 7+5=12.\nThe answer is \\boxed{12}."
RAW = {"template": "Exercise. {problem}\nSolution.\n", "stops": [".\n"]}
REAL = [
    Path(os.environ.get("LONGCOT_REAL_MODELS", "/nowhere")) / name for name in ("SmolLM2-135M-Instruct", "gemma-3-270m")
]


def teacher(run: Path, text: str = TEXT) -> str:
    """The traces of an arm that begins others' responses: two samples of each problem."""
    given = {"model": "m", "text": text}
    rows = [
        Trace(problem_id=one.id, problem=one.problem, expected_answer=one.expected_answer, sample=sample, **given)
        for one in PROBLEMS
        for sample in range(2)
    ]
    write_traces(run / "traces/teacher/benchmark.jsonl", rows)
    return "traces/teacher/benchmark.jsonl"


def sampled(run: Path, name: str = "arm", **how):
    given = {"base": Base(path=str(BASE), precision="float32"), "prompt": Prompt(template="{problem}")} | how
    task = SampleTask(name=name, traces=f"traces/{name}/benchmark.jsonl", sampling=SAMPLING, **given)
    file = sample_arm(task, PROBLEMS, run)
    return read_traces(file), read_manifest(file)


def test_what_is_given_begins_the_text_and_counts_as_given(tmp_path):
    plain, _ = sampled(tmp_path, "plain")
    assert all(not trace.given_tokens and "given" not in trace.model_dump_json() for trace in plain)
    of = {"prefill_traces": teacher(tmp_path), "prefill": Prefill(arm="teacher", tokens=5)}
    traces, manifest = sampled(tmp_path, **of)
    sampler = LocalSampler(BASE, threads=1, device="cpu")
    ids = sampler.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    beginning = sampler.tokenizer.decode(ids[:5])
    assert {trace.text[: trace.given_characters] for trace in traces} == {beginning} and TEXT.startswith(beginning)
    assert {trace.given_tokens for trace in traces} == {5} and max(trace.completion_tokens for trace in traces) <= 24
    assert [trace.prompt_tokens for trace in traces] == [trace.prompt_tokens for trace in plain]
    assert manifest["given_tokens"] == 5 * len(traces) and manifest["first_prompt"].endswith(beginning)
    assert manifest["parameters"]["arm"]["prefill"] == {"arm": "teacher", "tokens": 5}
    assert "benchmark.jsonl" in manifest["inputs"]
    # Greedy by hand: what the model says after these very tokens
    prompt = sampler.tokenizer(sampler.prompt_text([{"role": "user", "content": PROBLEMS[0].problem}]))["input_ids"]
    by_hand = sampler.sample_tokens([prompt + ids[:5]], SAMPLING, 0)[0]
    (first,) = {trace.text for trace in traces if trace.problem_id == PROBLEMS[0].id}
    assert first == beginning + by_hand.text and len(first) > len(beginning)


def test_a_server_goes_on_from_the_same_tokens(tmp_path):
    of = {"prefill_traces": teacher(tmp_path), "prefill": Prefill(arm="teacher", lines=1)}
    here, _ = sampled(tmp_path, "here", **of)
    with MiniatureServer(BASE, ["base"]) as server:
        there, _ = sampled(tmp_path, "there", server=Server(urls=[server.url]), served_as="base", **of)
    for one, other in zip(*(sorted(some, key=lambda trace: trace.key) for some in (here, there)), strict=True):
        assert one.model_dump(exclude={"completion_tokens"}) == other.model_dump(exclude={"completion_tokens"})
    assert {trace.text[: trace.given_characters] for trace in there} == {"Let me go step by step.\n"}
    with pytest.raises(BadInput, match="arm chat: prefill with api: chat"):
        sampled(tmp_path, "chat", server=Server(urls=["http://127.0.0.1:1/v1"], api="chat"), served_as="base", **of)


def test_an_answer_that_was_given_is_nobodys():
    given = "day 1: 3+4=7.\n"
    common = {
        "problem_id": "a",
        "sample": 0,
        "problem": "?",
        "expected_answer": "7",
        "model": "m",
        "finish_reason": "stop",
    }
    own = {"given_tokens": 9, "given_characters": len(given)}
    assert grade([Trace(text=given, **common)])[0].correct
    alone, said, joined = grade(
        [Trace(text=given + more, **common, **own) for more in ("", "It is \\boxed{7}.", "So the total is 7.")]
    )
    assert (alone.answer, alone.correct) == (None, False) and said.correct and joined.correct


@pytest.mark.parametrize(
    "text, prefill, words",
    [
        (TEXT, {"tokens": 500}, "problem .*, sample 0: 500 tokens are all of it .* tokens.; give fewer"),
        (TEXT, {"lines": 4}, "4 lines are all of it .4 lines.; give fewer"),
        (TEXT + "\nSo.", {"lines": 4}, "what is taken holds the boxed answer; give less"),
        ("", {"lines": 1}, "1 lines are all of it"),
        (None, {"lines": 1}, "arm teacher has no response to problem"),
    ],
)
def test_what_cannot_be_given_is_one_line_before_anything_is_sampled(tmp_path, text, prefill, words):
    file = teacher(tmp_path, text or "")
    if text is None:
        (tmp_path / file).write_text("")
    with pytest.raises(BadInput, match=f"arm arm: prefill: .*{words}") as raised:
        sampled(tmp_path, prefill=Prefill(arm="teacher", **prefill), prefill_traces=file)
    assert "\n" not in str(raised.value) and not (tmp_path / "traces/arm/benchmark.jsonl").exists()


@pytest.mark.parametrize(
    "prefill, words",
    [
        ({"text": "a", "arm": "b"}, "not both"),
        ({}, "give a text, or an arm"),
        ({"arm": "b"}, "give tokens or lines"),
        ({"arm": "b", "tokens": 1, "lines": 1}, "give tokens or lines"),
        ({"text": "a", "tokens": 1}, "with text neither"),
        ({"text": "\\boxed{3}"}, "holds a boxed answer"),
    ],
)
def test_a_prefill_that_says_too_much_or_too_little(prefill, words):
    with pytest.raises(ValidationError, match=words):
        Prefill(**prefill)


def test_a_raw_problem_has_no_chat_around_it_and_its_own_stops(tmp_path):
    traces, manifest = sampled(tmp_path, style="raw", prompt=Prompt(system="Be brief.", raw=RAW))
    first = next(trace for trace in traces if trace.problem_id == PROBLEMS[0].id)
    assert manifest["first_prompt"] == f"Exercise. {PROBLEMS[0].problem}\nSolution.\n"
    assert manifest["chat_template"] == "raw" and manifest["parameters"]["prompt_versions"] == ["raw/1"]
    assert first.prompt_style == "raw" and all(".\n" not in trace.text for trace in traces)
    longer, _ = sampled(tmp_path, "longer", style="raw", prompt=Prompt(raw={"template": RAW["template"]}))
    assert all(trace.text.startswith(short.text) for trace, short in zip(longer, traces, strict=True))
    assert max(trace.completion_tokens for trace in longer) > max(trace.completion_tokens for trace in traces)


@pytest.mark.parametrize("folder", REAL, ids=lambda folder: folder.name)
def test_real_models_go_on_from_what_is_given_and_from_a_document(tmp_path, folder):
    if not folder.is_dir():
        pytest.skip(f"no {folder}; LONGCOT_REAL_MODELS names the folder that it lies in")
    how = {"base": Base(path=str(folder), precision="float32"), "prompt": Prompt(raw=RAW | {"stops": ["\n"]})}
    of = {"prefill_traces": teacher(tmp_path), "prefill": Prefill(arm="teacher", tokens=7)}
    traces, manifest = sampled(tmp_path, "given", **how, **of)
    beginning = traces[0].text[: traces[0].given_characters]
    assert TEXT.startswith(beginning) and traces[0].given_tokens == 7 and manifest["first_prompt"].endswith(beginning)
    assert all(len(trace.text) > len(beginning) for trace in traces)
    raw, manifest = sampled(tmp_path, "raw", style="raw", **how)
    start = "<bos>" if "gemma" in folder.name else ""
    assert manifest["first_prompt"] == f"{start}Exercise. {PROBLEMS[0].problem}\nSolution.\n"
    assert all("\n" not in trace.text for trace in raw)
