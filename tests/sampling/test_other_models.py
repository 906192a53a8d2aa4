"""Sampling models of other families: templates, stops, caches and contexts."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from longcot.files.errors import BadInput
from longcot.files.manifest import read_manifest
from longcot.models.base import Base
from longcot.problems.prompts import Prompt
from longcot.sampling.local import NO_LIMIT, LocalSampler
from longcot.sampling.requests import Completion
from longcot.sampling.server.sampler import ServerSampler, _stops
from longcot.sampling.settings import Sampling, Server
from longcot.sampling.task import SampleTask, sample_arm
from longcot.traces.trace import read_traces

PLAIN_FOLLOWS = "It is 5.\n\nProblem:\nWhat is 6?"
R1 = (  # strips thoughts, and its prompts open one
    "{% for m in messages %}{{ '<|im_start|>' + m.role + ': ' + m.content.split('</think>')[-1] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant: <think>\n' }}{% endif %}"
)
GREEDY = Sampling(temperature=0.0, max_tokens=12)


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def folder(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model whose template the test may change."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_a_response_ends_before_a_stop_text(tiny_model):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    (whole,) = sampler.sample([ask("hi")], GREEDY, 0)
    stop = whole.text[4:7]
    sampler.stop_texts = [stop]
    (one, other) = sampler.sample([ask("hi"), ask("Hello there")], GREEDY, 0)
    assert one.text == whole.text[: whole.text.index(stop)] and one.finish_reason == "stop"
    assert one.completion_tokens < whole.completion_tokens and stop not in other.text


def test_the_tokens_of_a_response_are_those_up_to_its_stop_text(tiny_model):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    sampler.use_template("plain")
    assert sampler.stop_texts == ["\nProblem:"] and sampler.stops == [0]
    tokens = sampler.tokenizer(PLAIN_FOLLOWS)["input_ids"]
    count = len(sampler.tokenizer("It is 5.\n\nProblem:")["input_ids"])
    assert sampler._completion([1, 2], tokens, 99) == Completion("It is 5.\n", "stop", 2, count)
    assert sampler._completion([1, 2], tokens, 6).finish_reason == "length"
    sampler.use_template("")
    assert sampler.stop_texts == [] and sampler.stops == [0, 2]


def test_a_response_begins_with_the_thought_that_its_prompt_opened(folder, tmp_path):
    (folder / "chat_template.jinja").write_text(R1)
    sampling = {"temperature": 0.0, "max_tokens": 5}
    (tmp_path / "plain.jinja").write_text("{% for m in messages %}{{ m.content + '\\n' }}{% endfor %}")
    base = Base(path=str(folder), precision="float32")
    task = SampleTask(name="a", base=base, traces="a.jsonl", sampling=Sampling(**sampling))
    from scripted_server import PROBLEMS

    traces = read_traces(sample_arm(task, PROBLEMS[:2], tmp_path))
    assert all(trace.text.startswith("<think>\n") and trace.completion_tokens <= 5 for trace in traces)
    manifest = read_manifest(tmp_path / "a.jsonl")
    assert manifest["thought_opened"] == "<think>\n" and manifest["first_prompt"].endswith("<think>\n")
    assert "chat_template" not in manifest
    prompt = Prompt(chat_template=str(tmp_path / "plain.jinja"))
    other = task.model_copy(update={"traces": "b.jsonl", "prompt": prompt})
    traces = read_traces(sample_arm(other, PROBLEMS[:2], tmp_path))
    manifest = read_manifest(tmp_path / "b.jsonl")
    assert manifest["chat_template"] == "plain.jinja" and "thought_opened" not in manifest
    assert "plain.jinja" in manifest["inputs"] and not traces[0].text.startswith("<think>")


def test_a_cache_that_a_model_refuses_is_not_used(tiny_model, folder, monkeypatch):
    sampler = LocalSampler(tiny_model, threads=1, device="cpu")
    expected = sampler.sample([ask("hi"), ask("Hello")], GREEDY, 0)
    assert sampler._fixed_cache

    def refuse(*args, **kwargs):
        raise KeyError("mamba")

    monkeypatch.setattr("longcot.sampling.decoding.StaticCache", refuse)
    assert sampler.sample([ask("hi"), ask("Hello")], GREEDY, 0) == expected and not sampler._fixed_cache
    monkeypatch.undo()
    config = transformers.MambaConfig(vocab_size=301, hidden_size=32, num_hidden_layers=2, state_size=8)
    torch.manual_seed(0)
    transformers.MambaForCausalLM(config).save_pretrained(folder)
    mamba = LocalSampler(folder, threads=1, device="cpu")
    assert len(mamba.sample([ask("hi"), ask("Hello")], GREEDY, 0)) == 2
    assert mamba.context == NO_LIMIT and not mamba._fixed_cache


def test_the_context_of_a_model_that_also_sees_is_its_language_model_s(folder):
    text = {"vocab_size": 301, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 77, "sliding_window": 8}
    sees = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Gemma3Config(text_config=text, vision_config=sees | {"image_size": 28, "patch_size": 14})
    transformers.Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    sampler = LocalSampler(folder, threads=1, device="cpu")
    assert sampler.context == 77
    (response,) = sampler.sample([ask("hi")], GREEDY, 0)
    assert response.completion_tokens == 12
    server = Server(urls=["http://localhost:1/v1"])
    assert ServerSampler(server, "m", str(folder)).context == 77


def test_all_stops_of_a_generation_config_are_sent(folder):
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 0, 9, 11]}))
    sampler = LocalSampler(folder, threads=1, device="cpu")
    assert sampler.stops == [0, 2, 5, 9, 11]
    stops = _stops(sampler.tokenizer, str(folder), "")
    assert stops.ids == [2, 0, 5, 9, 11] and stops.texts[:2] == ["<|im_end|>", "<|endoftext|>"]


def test_a_server_is_asked_in_the_template_of_the_study(serve, tiny_model, tmp_path):
    from scripted_server import PROBLEMS, Reply, answer

    from longcot.sampling.generate import generate_traces

    server = serve(lambda number, body: Reply(body=answer(body, text=PLAIN_FOLLOWS, finish_reason="length")))
    sampler = ServerSampler(Server(urls=[server.url]), "m", str(tiny_model), chat_template="plain")
    out = generate_traces(sampler, PROBLEMS[:1], tmp_path / "t.jsonl", GREEDY, model="m", progress=False)
    (trace,) = read_traces(out)
    assert server.asked[0]["stop"] == ["\nProblem:", "<|endoftext|>"]
    assert sampler.tokenizer.decode(server.asked[0]["prompt"]).startswith("Problem:\nWhat is 0 + 1?")
    assert (trace.text, trace.finish_reason) == ("It is 5.\n", "stop")  # a server that takes no stop strings
    with pytest.raises(BadInput, match="api: chat has the server's chat template"):
        ServerSampler(Server(urls=[server.url], api="chat"), "m", str(tiny_model), chat_template="plain")


def test_a_server_s_response_begins_with_the_thought_that_the_prompt_opened(serve, folder, tmp_path):
    from scripted_server import PROBLEMS

    from longcot.sampling.generate import generate_traces

    (folder / "chat_template.jinja").write_text(R1)
    server = serve()
    sampler = ServerSampler(Server(urls=[server.url]), "m", str(folder))
    out = generate_traces(sampler, PROBLEMS[:1], tmp_path / "t.jsonl", GREEDY, model="m", progress=False)
    assert read_traces(out)[0].text.startswith("<think>\n")
