"""Sampling through servers that fail in every way that servers do: each sample is on disk once, or named."""

import json
import socket
import threading
import time

import pytest
from scripted_server import KEYS, Reply, answer, asked_samples, error, free_url, on_disk

from longcot.files.errors import BadInput
from longcot.sampling.requests import OVERFLOW
from longcot.sampling.settings import Sampling


def test_wrong_url(run_served, serve, tmp_path):
    with pytest.raises(BadInput, match=r"no server at http://127.0.0.1.*start one, .*vllm serve \S+ --served-model"):
        run_served(free_url())
    with pytest.raises(BadInput, match="no server at localhost:1/v1"):
        run_served("localhost:1/v1")
    with pytest.raises(BadInput, match=r"404.*ends in /v1"):
        run_served(serve().url.removesuffix("/v1"))
    assert on_disk(tmp_path) == set()


def test_wrong_key(serve, run_served, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("MY_KEY", "sk-secret-1")
    server = serve(lambda number, body: error(401, "Incorrect API key provided: sk-secret-1"))
    with pytest.raises(BadInput, match="refuses the key") as caught:
        run_served(server.url, key="MY_KEY")
    assert len(server.asked) <= 4 and set(server.keys) == {"Bearer sk-secret-1"}
    everything = str(caught.value) + caplog.text + "".join(path.read_text() for path in tmp_path.glob("*.*"))
    assert "sk-secret" not in everything and "***" in everything


def test_model_not_served(serve, run_served):
    server = serve(models=("other", "another"))
    with pytest.raises(BadInput, match="does not serve 'm'.*it serves other, another.*24 of 24 samples are missing"):
        run_served(server.url)


def test_a_server_with_another_base(serve, run_served, tmp_path):
    server = serve()
    server.cards[0]["root"] = str(tmp_path)
    with pytest.raises(BadInput, match="serves .* the study samples"):
        run_served(server.url)


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 30 tokens. However, your prompt contains 47 input tokens.",
        "the request exceeds the available context size",
    ],
)
def test_an_overflow_is_marked_and_the_rest_go_on(serve, run_served, said):
    server = serve(lambda number, body: error(400, said) if "What is 2" in str(body["messages"]) else None)
    traces = run_served(server.url, api="chat")
    assert {trace.key for trace in traces} == KEYS
    assert {t.problem_id for t in traces if t.finish_reason == OVERFLOW} == {"p2"}
    asked = len(server.asked)
    run_served(server.url, api="chat")
    assert len(server.asked) == asked


def test_every_prompt_overflows(serve, run_served):
    with pytest.raises(BadInput, match="not one of the 24 prompts"):
        run_served(serve().url, context=10)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0.3"}])
def test_too_many_requests(serve, run_served, headers):
    times = []

    def script(number, body):
        times.append(time.monotonic())
        return error(429, "slow down", **headers) if number < 4 else None

    server = serve(script)
    assert {trace.key for trace in run_served(server.url)} == KEYS
    assert asked_samples(server) == 24 + 16
    assert times[4] - times[0] >= float(headers.get("Retry-After", 0))


def test_a_storm_of_500s(serve, run_served, tmp_path):
    server = serve(lambda number, body: error(500, "boom") if number % 3 else None)
    assert {trace.key for trace in run_served(server.url, retries=30)} == KEYS


def test_what_cannot_be_had_is_named_and_asked_for_again(serve, run_served, tmp_path):
    broken = True
    bad = {"What is 2", "What is 4"}
    server = serve(
        lambda n, body: error(500, "boom") if broken and any(b in str(body["messages"]) for b in bad) else None
    )
    with pytest.raises(
        BadInput, match=r"4 tries.*500 boom.*8 of 24 samples are missing \(p2 sample 0, .*run again"
    ) as e:
        run_served(server.url, api="chat")
    assert on_disk(tmp_path) == {key for key in KEYS if key[0] not in ("p2", "p4")} and "\n" not in str(e.value)
    broken = False
    server.asked.clear()
    assert {trace.key for trace in run_served(server.url, api="chat")} == KEYS
    assert asked_samples(server) == 8


def test_a_server_that_is_lost_is_not_asked_for_ever(serve, run_served, tmp_path):
    server = serve(lambda number, body: error(500, "boom") if number > 1 else None)
    many = Sampling(max_tokens=9, samples=400)
    with pytest.raises(BadInput, match="of 2400 samples are missing"):
        run_served(server.url, sampling=many)
    assert len(on_disk(tmp_path)) == 8 and len(server.asked) < 100


@pytest.mark.parametrize(
    "reply",
    [
        lambda body: Reply(body=json.dumps(answer(body)).encode()[:40]),
        lambda body: Reply(body=answer(body), cut=40),
        lambda body: Reply(body=b"<html>gateway</html>", headers={"Content-Type": "text/html"}),
        lambda body: Reply(body={"choices": []}),
        lambda body: Reply(body={"choices": [{"text": None, "finish_reason": "stop"}]}),
        lambda body: Reply(body=answer(body, finish_reason="abort")),
        lambda body: Reply(body=["no", "object"]),
        lambda body: Reply(reset=True),
    ],
    ids=["half", "cut", "html", "empty", "no text", "aborted", "list", "reset"],
)
def test_a_reply_that_is_not_whole(serve, run_served, reply):
    server = serve(lambda number, body: reply(body) if number % 2 == 0 and number < 8 else None)
    traces = run_served(server.url)
    assert {trace.key for trace in traces} == KEYS and all(trace.text for trace in traces)
    assert len(server.asked) == 10


def test_a_text_that_no_file_takes(serve, run_served):
    raw = json.dumps(answer({"seed": 1})).replace(" so ", "\\ud800")
    traces = run_served(serve(lambda n, body: Reply(body=raw.encode())).url, sampling=Sampling(max_tokens=9))
    assert len(traces) == 6 and "\ufffd" in traces[0].text


def test_a_stalled_connection(serve, run_served):
    server = serve(lambda number, body: Reply(body=answer(body), stall_s=9) if number in (0, 3) else None)
    began = time.monotonic()
    assert {trace.key for trace in run_served(server.url, timeout_s=1.0)} == KEYS
    assert time.monotonic() - began < 9 and len(server.asked) == 8


def test_a_server_that_dies_half_way_and_comes_back(serve, run_served):
    def script(number, body):
        if number == 2:
            threading.Thread(target=die).start()
            time.sleep(0.1)

    def die():
        server.stop()
        time.sleep(0.3)
        server.start()

    server = serve(script)
    assert {trace.key for trace in run_served(server.url, backoff_s=0.1, retries=4)} == KEYS


def test_a_server_that_dies_for_good(serve, run_served, tmp_path):
    def script(number, body):
        if number == 2:
            server.stop_now = threading.Thread(target=server.stop)
            server.stop_now.start()
            server.stop_now.join(0.2)

    server = serve(script)
    with pytest.raises(BadInput, match="no connection.* samples are missing"):
        run_served(server.url, concurrency=1)
    assert len(on_disk(tmp_path)) == 8
    server.start()
    server.script = lambda number, body: None
    server.asked.clear()
    assert {trace.key for trace in run_served(server.url)} == KEYS and asked_samples(server) == 16


def test_one_of_two_servers_is_dead(serve, run_served):
    server = serve()
    assert {trace.key for trace in run_served(free_url(), server.url)} == KEYS
    assert asked_samples(server) == 24


def test_one_of_two_servers_never_answers(serve, run_served):
    server = serve(lambda number, body: Reply(body=answer(body), stall_s=0.1))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
        began = time.monotonic()
        assert {trace.key for trace in run_served(url, server.url, timeout_s=2.0)} == KEYS
    assert time.monotonic() - began < 10  # not a second for each request


def test_a_dead_server_is_tried_again(serve, run_served):
    late = serve()
    late.stop()

    def script(number, body):
        if number == 2:
            late.start()
        return Reply(body=answer(body), stall_s=0.1)

    server = serve(script)
    assert {trace.key for trace in run_served(late.url, server.url, concurrency=1)} == KEYS
    assert len(late.asked) >= 1 and len(late.asked) + len(server.asked) == 6


def test_work_goes_to_the_server_that_is_free(serve, run_served):
    slow, quick = serve(lambda number, body: Reply(body=answer(body), stall_s=0.5)), serve()
    assert {trace.key for trace in run_served(slow.url, quick.url, sampling=Sampling(max_tokens=9, samples=40))} >= KEYS
    assert len(slow.asked) <= 12 and len(slow.asked) + len(quick.asked) == 60


def test_concurrency_is_bounded(serve, run_served):
    server = serve(lambda number, body: Reply(body=answer(body), stall_s=0.05))
    began = time.monotonic()
    run_served(server.url, concurrency=2)
    assert time.monotonic() - began >= 3 * 0.05  # six requests, two at a time
