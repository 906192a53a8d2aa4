"""Sampling through scripted servers: what is asked, what is taken, adapters, servers that take less."""

import asyncio
import json
import shlex
from pathlib import Path

import pytest
from scripted_server import (
    KEYS,
    PROBLEMS,
    Reply,
    answer,
    error,
)
from transformers import AutoTokenizer

from longcot.files.errors import BadInput
from longcot.run.servers import study_commands
from longcot.sampling.engines.command import Served, module_name
from longcot.sampling.settings import Sampling
from longcot.study.reading import load_study
from longcot.study.study import Study


def test_every_setting_is_sent(serve, run_served):
    server = serve()
    traces = run_served(server.url)
    assert {trace.key for trace in traces} == KEYS and len({trace.text for trace in traces}) == 24
    assert len(server.asked) == 6 and {body["n"] for body in server.asked} == {4}
    body = server.asked[0]
    settings = {"model": "m", "temperature": 0.6, "top_p": 0.95, "max_tokens": 40, "top_k": -1, "min_p": 0.0}
    settings |= {"repetition_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
    settings |= {"stop": ["<|im_end|>", "<|endoftext|>"], "stop_token_ids": [2, 0]}
    assert {key: body.get(key) for key in settings} == settings
    assert len({body["seed"] for body in server.asked}) == 6 and all(0 <= b["seed"] < 2**31 for b in server.asked)
    first = traces[0]
    assert (first.finish_reason, first.correct, first.prompt_tokens) == ("stop", True, len(body["prompt"]))
    assert {trace.completion_tokens for trace in traces} == {5, 6, 7, 8}  # of each one, not of the request
    assert set(server.keys) == {"Bearer EMPTY"}


def test_another_run_asks_the_same(serve, run_served, tmp_path):
    first, second = serve(), serve()
    run_served(first.url)
    (tmp_path / "t.jsonl").unlink()
    run_served(second.url)
    assert sorted(map(str, first.asked)) == sorted(map(str, second.asked))


def test_max_tokens_is_what_the_context_leaves(serve, run_served, tmp_path):
    server = serve()
    longest = Sampling(max_tokens=10_000, samples=1)
    run_served(server.url, sampling=longest)
    assert all(body["max_tokens"] == 256 - len(body["prompt"]) for body in server.asked)  # the model's own
    (tmp_path / "t.jsonl").unlink()
    server.asked.clear()
    server.cards[0]["max_model_len"] = 100
    run_served(server.url, sampling=longest)
    assert all(body["max_tokens"] == 100 - len(body["prompt"]) for body in server.asked)
    (tmp_path / "t.jsonl").unlink()
    server.asked.clear()
    run_served(server.url, sampling=longest, context=90)
    assert all(body["max_tokens"] == 90 - len(body["prompt"]) for body in server.asked)


def test_chat_counts_with_the_servers_own_template(serve, run_served, tiny_model):
    server = serve()
    traces = run_served(server.url, api="chat", sampling=Sampling(max_tokens=1000, samples=2))
    body = server.asked[0]
    assert [turn["role"] for turn in body["messages"]] == ["user"] and "prompt" not in body
    text = AutoTokenizer.from_pretrained(tiny_model).apply_chat_template(body["messages"], tokenize=False)
    text += "<|im_start|>assistant\n"
    assert "You are a default." in text  # which the server will add
    assert body["max_tokens"] == 256 - len(AutoTokenizer.from_pretrained(tiny_model)(text)["input_ids"])
    assert len(traces) == 12 and traces[0].text.endswith("\\boxed{3}")


def test_thoughts_that_a_server_parts_are_kept(serve, run_served):
    message = {"content": "\\boxed{3}", "reasoning_content": "Let me see."}
    server = serve(lambda number, body: Reply(body=answer(body, message=message)))
    assert {t.text for t in run_served(server.url, api="chat", sampling=Sampling(max_tokens=9))} == {
        "<think>Let me see.</think>\\boxed{3}"
    }


def test_a_model_without_a_tokenizer_can_chat_only(serve, run_served, tmp_path):
    server = serve()
    with pytest.raises(BadInput, match="no tokenizer"):
        run_served(server.url, base=tmp_path / "nothing")
    traces = run_served(server.url, base=tmp_path / "nothing", api="chat")
    assert {body["max_tokens"] for body in server.asked} == {40} and {body["n"] for body in server.asked} == {1}
    assert {(trace.prompt_tokens, trace.completion_tokens) for trace in traces} == {(9, 5)}


@pytest.mark.parametrize("said", ["n must be 1", "Unexpected fields in the request: {'n'}", None])
def test_a_server_that_refuses_n_is_asked_again(serve, run_served, said):
    def script(number, body):
        if body.get("n", 1) > 1:
            return error(400, said) if said else Reply(body=answer(body | {"n": 1}))

    server = serve(script)
    assert {trace.key for trace in run_served(server.url)} == KEYS
    assert [body.get("n", 1) for body in server.asked][-10:] == [1] * 10
    assert len({body["seed"] for body in server.asked}) == 24


@pytest.mark.parametrize(
    ("cache_bytes", "seeded"),
    [("None", True), (str(int(13.9e9)), True), (str(2 * 2**30), False)],
    ids=["a GPU", "a shared GPU", "a CPU"],
)
def test_seeds_are_kept_from_vllm_on_a_cpu_alone(serve, run_served, cache_bytes, seeded):
    server = serve()
    server.cards = [{"id": "m", "owned_by": "vllm", "max_model_len": None}]
    metrics = f'vllm:cache_config_info{{block_size="16",kv_cache_memory_bytes="{cache_bytes}",x="y"}} 1.0'
    server.pages["/metrics"] = Reply(body=metrics.encode())
    run_served(server.url)
    assert {"seed" in body for body in server.asked} == {seeded}


def test_samples_of_one_seed_are_not_taken_for_several(serve, run_served):
    text = "the very same words, " * 9
    server = serve(lambda number, body: Reply(body=answer(body, text=text + str(body["seed"]))))
    assert len({trace.text for trace in run_served(server.url)}) == 24


def test_a_server_that_refuses_extras_and_tokens(serve, run_served):
    def script(number, body):
        known = {"model", "prompt", "temperature", "top_p", "max_tokens", "seed", "generation_config", "stop", "n"}
        known |= {"frequency_penalty", "presence_penalty"}
        if unknown := body.keys() - known:
            return Reply(422, {"detail": f"Unexpected fields in the request: {unknown}"})
        return None if isinstance(body["prompt"], str) else Reply(400, {"detail": "prompt must be a string."})

    server = serve(script)
    run_served(server.url)
    config = json.loads(server.asked[-1]["generation_config"])
    assert config == config | {"top_k": 0, "repetition_penalty": 1.0, "do_sample": True, "eos_token_id": [2, 0]}
    assert server.asked[-1]["prompt"].startswith("<|im_start|>user\n")


def test_it_runs_where_a_loop_runs_already(serve, run_served):
    async def cell():
        return run_served(serve().url)

    assert {trace.key for trace in asyncio.run(cell())} == KEYS


def test_edit_passes_through_a_server(serve, run_served, tmp_path):
    how = {"base": tmp_path / "nothing", "api": "chat", "sampling": Sampling(max_tokens=9, samples=1)}
    traces = run_served(serve().url, edits=["verify"], **how)
    assert {trace.key for trace in traces} == {(p.id, 0, stage) for p in PROBLEMS for stage in ("", "verify")}
    assert len({trace.text for trace in traces}) == 12


@pytest.fixture
def adapter(tmp_path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"r": 16}')
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def test_an_adapter_is_loaded_under_its_content(serve, run_served, adapter, tmp_path):
    server = serve(models=("base", "m"))  # an old module of the plain name
    run_served(server.url, adapter=adapter)
    (loaded,) = server.loaded
    assert loaded["lora_path"] == str(adapter) and loaded["lora_name"].startswith("m@")
    assert {body["model"] for body in server.asked} == {loaded["lora_name"]}
    (tmp_path / "t.jsonl").unlink()
    run_served(server.url, adapter=adapter)
    assert len(server.loaded) == 1  # it is there
    (adapter / "adapter_model.safetensors").write_bytes(b"trained anew")
    (tmp_path / "t.jsonl").unlink()
    run_served(server.url, adapter=adapter)
    assert len({one["lora_name"] for one in server.loaded}) == 2


def test_an_adapter_that_cannot_be_loaded(serve, run_served, adapter):
    server = serve()
    server.takes_adapters = False
    with pytest.raises(BadInput, match=r"ALLOW_RUNTIME_LORA.*--lora-modules m@\w{8}=/"):
        run_served(server.url, adapter=adapter)


def test_a_server_started_anew_gets_its_adapter_again(serve, run_served, adapter):
    def script(number, body):
        if number == 2:
            del server.cards[1:]

    server = serve(script)
    assert {trace.key for trace in run_served(server.url, adapter=adapter)} == KEYS
    assert len(server.loaded) == 2


def test_the_command_that_serves_a_study(adapter, tmp_path):
    words = shlex.split(Served("org/Base", ("base",), revision="abc", context=4096).command("http://gpu7:8123/v1"))
    assert words[:5] == ["vllm", "serve", "org/Base", "--served-model-name", "base"] and "--enable-lora" not in words
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == options | {"--revision": "abc", "--generation-config": "vllm", "--max-model-len": "4096"}
    assert (options["--port"], options["--dtype"]) == ("8123", "bfloat16")
    adapters = {"arm": adapter, "later": tmp_path / "later"}
    switch, *words = shlex.split(Served("org/Base", ("base",), adapters=adapters, rank=20).command())
    assert switch == "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" and words[words.index("--max-lora-rank") + 1] == "32"
    assert words[words.index("--max-loras") + 1] == "2"  # both arms' responses in one batch
    assert words[words.index("--lora-modules") + 1 :] == [f"{module_name('arm', adapter)}={adapter}"]


def test_a_study_is_served_base_by_base():
    study = load_study("params/miniature.yaml")
    values = study.model_dump()
    for model in values["models"].values():
        model["server"] = {"urls": ["http://localhost:8000/v1", "http://gpu7:8001/v1"]}
    (text,) = study_commands(Study.model_validate(values))
    about, *commands = [line for line in text.splitlines() if not line.startswith("# the study's first run")]
    assert all(name in about for name in ("base", "reasoner", "instruct", "reasoner-20-a"))
    assert len(commands) == 2 and all("LORA_UPDATING=True vllm serve /" in command for command in commands)
    assert "--served-model-name base --dtype float32" in commands[0] and " reasoner@" in commands[0]
    assert "--port 8001" in commands[1] and study_commands(study) == []
