"""Good replies in the words of many servers, errors that stand in them, and those without a text."""

import pytest
from scripted_server import KEYS, PROBLEMS, Reply, answer, asked_samples, error

from longcot.files.errors import BadInput
from longcot.sampling.requests import EMPTY
from longcot.sampling.settings import Sampling
from longcot.traces.finish_reasons import finish_reason

ONE = Sampling(max_tokens=9, samples=1)
FIVE, THOUGHT = "So \\boxed{5}.", "Two, and three more."


@pytest.mark.parametrize(
    "ours, words",
    [
        ("stop", "stop eos eos_token EOS end_turn stop_sequence STOP COMPLETE FinishReason.STOP eosFound tool_calls"),
        ("length", "length MAX_TOKENS max_tokens max_length model_length maxPredictedTokensReached token_limit"),
        ("length", "model_context_window_exceeded FINISH_REASON_MAX_TOKENS contextLengthReached"),
        ("content_filter", "content_filter content-filter SAFETY RECITATION refusal sensitive guardrail_intervened"),
        ("error", "abort error ABORTED cancelled network_error insufficient_system_resource"),
        ("overflow", "overflow"),
        (None, "walked_away"),
    ],
)
def test_the_words_for_an_end(ours, words):
    assert {word: finish_reason(word) for word in words.split()} == dict.fromkeys(words.split(), ours)


def test_what_is_no_word_for_an_end():
    assert [finish_reason(word) for word in (None, "", " ", 1, True, ["stop"])] == [None] * 6
    assert finish_reason({"type": "length", "length": 40}) == "length" and finish_reason("Stop Sequence") == "stop"


@pytest.mark.parametrize(
    "word, ours", [("eos_token", "stop"), ("MAX_TOKENS", "length"), ("safety", "content_filter"), ("walked_away", None)]
)
def test_a_server_ends_in_other_words(serve, run_served, word, ours):
    server = serve(lambda number, body: Reply(body=answer(body, finish_reason=word)))
    traces = run_served(server.url, sampling=ONE)
    assert {trace.finish_reason for trace in traces} == {ours} and len(server.asked) == len(traces) == 6
    assert {trace.correct for trace in traces} == {ours != "length"}  # one that was cut has no answer


def test_an_unknown_end_at_the_limit_is_a_cut(serve, run_served):
    server = serve(lambda number, body: Reply(body=answer(body, finish_reason="walked_away")))
    assert {trace.finish_reason for trace in run_served(server.url, sampling=Sampling(max_tokens=5))} == {"length"}


@pytest.mark.parametrize("word", ["abort", "error", None, ""])
def test_a_server_that_breaks_off_is_asked_again(serve, run_served, word):
    server = serve(lambda n, body: Reply(body=answer(body, finish_reason=word)) if "is 2 +" in str(body) else None)
    with pytest.raises(BadInput, match=r"2 tries.*broken off.*1 of 6 samples are missing \(p2 sample 0\)"):
        run_served(server.url, api="chat", sampling=ONE, retries=1)
    assert len(server.asked) == 7


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, {"type": "text", "text": FIVE}]
DETAILS = [{"type": "reasoning.text", "text": THOUGHT}, {"type": "reasoning.encrypted", "data": "x9"}]


@pytest.mark.parametrize(
    "message, text",
    [
        ({"content": [{"type": "text", "text": "So "}, {"type": "output_text", "text": "5."}]}, "So 5."),
        ({"content": [{"type": "text", "text": {"value": FIVE}}]}, FIVE),
        ({"content": PARTS}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "reasoning_content": THOUGHT}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "reasoning": THOUGHT, "reasoning_content": THOUGHT}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "thinking": THOUGHT}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "reasoning": None, "reasoning_details": DETAILS}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": f"<think>{THOUGHT}</think>{FIVE}", "reasoning": THOUGHT}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": f"{THOUGHT}</think>{FIVE}", "reasoning": THOUGHT}, f"{THOUGHT}</think>{FIVE}"),
        ({"content": f"<think>\n\n</think>{FIVE}", "reasoning": THOUGHT}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "reasoning": f"<think>{THOUGHT}</think>"}, f"<think>{THOUGHT}</think>{FIVE}"),
        ({"content": FIVE, "reasoning": {"effort": 3}}, FIVE),
        ({"content": None, "reasoning": THOUGHT}, f"<think>{THOUGHT}</think>"),
        ({"content": None, "refusal": "I would rather not."}, "I would rather not."),
    ],
)
def test_a_message_in_another_form(serve, run_served, message, text):
    server = serve(lambda number, body: Reply(body=answer(body, message=message)))
    traces = run_served(server.url, api="chat", sampling=ONE)
    assert {(trace.text, trace.finish_reason) for trace in traces} == {(text, "stop")}
    assert {trace.answer for trace in traces} == {"5"} or FIVE not in text


def test_thoughts_that_were_cut_stay_open(serve, run_served):
    message = {"content": None, "reasoning_content": THOUGHT}
    server = serve(lambda number, body: Reply(body=answer(body, message=message, finish_reason="length")))
    assert {t.text for t in run_served(server.url, api="chat", sampling=ONE)} == {f"<think>{THOUGHT}"}


@pytest.mark.parametrize("message", [{"content": None}, {"content": ""}, {"content": []}, {"content": "\n"}, {}])
def test_a_text_that_is_lost_is_asked_for_again_and_marked(serve, run_served, caplog, message):
    message = message | {"role": "assistant", "reasoning_content": None}
    lost = {"p2": 99, "p4": 2}  # p4 gets its text at the second try

    def script(number, body):
        problem = next((name for name in lost if f"What is {name[1]} " in str(body["messages"])), None)
        if problem and (lost.update({problem: lost[problem] - 1}) or lost[problem]):
            return Reply(body=answer(body, message=message))

    server = serve(script)
    traces = run_served(server.url, api="chat", retries=2)
    assert {trace.key for trace in traces} == KEYS
    marked = [trace for trace in traces if not trace.text]
    assert [(t.problem_id, t.finish_reason, t.correct, t.truncated) for t in marked] == [("p2", EMPTY, False, True)] * 4
    assert asked_samples(server) == 24 + 2 * 4 + 4 and "p2 sample 3: no text in 3 tries" in caplog.text
    run_served(server.url, api="chat")
    assert asked_samples(server) == 36  # they are done


def test_one_lost_text_of_several_is_asked_for_alone(serve, run_served):
    def script(number, body):
        if body.get("n") == 4:
            reply = answer(body)
            reply["choices"][1]["message"] = {"content": None}
            return Reply(body=reply)

    server = serve(script)
    traces = run_served(server.url, api="chat")
    assert {trace.key for trace in traces} == KEYS and all(trace.text for trace in traces)
    assert [body["n"] for body in server.asked].count(1) == 6 and len(server.asked) == 12


def test_a_server_that_loses_every_text_is_an_error(serve, run_served, tmp_path):
    server = serve(lambda number, body: Reply(body=answer(body, message={"content": None})))
    with pytest.raises(BadInput, match=r"not one of the 6 responses .* has text \(p\d sample 0,"):
        run_served(server.url, api="chat", sampling=ONE, retries=1)
    with pytest.raises(BadInput, match=r"no text in it.* of 600 samples are missing"):
        run_served(server.url, api="chat", sampling=Sampling(max_tokens=9, samples=100), retries=1)
    assert (tmp_path / "t.jsonl").read_text() == "" and len(server.asked) < 60


def test_a_model_that_ends_at_once_has_said_nothing(serve, run_served):
    def script(number, body):
        return Reply(body=answer(body, message={"content": ""}) | {"usage": {"completion_tokens": 1}})

    server = serve(script)
    traces = run_served(server.url, api="chat", sampling=ONE)
    assert {(t.text, t.finish_reason, t.completion_tokens) for t in traces} == {("", "stop", 1)}
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "body, said",
    [
        ({"error": {"message": "insufficient credits", "code": 402}}, "wants to be paid.*402 insufficient credits"),
        ({"error": {"message": "no key of ours", "code": "401"}}, "refuses the key.*no key of ours"),
        ({"object": "error", "message": "No such model: m", "type": "NotFoundError"}, "does not serve 'm'.*No such"),
        (
            {"detail": [{"loc": ["body", "model"], "msg": "wrong", "type": "x"}]},
            r"the request \(400 body.model: wrong x",
        ),
        ({"error": {"message": "lost in the woods"}, "choices": None}, "2 tries each.*500 lost in the woods"),
        ({"choices": [{"error": {"code": 502, "message": "upstream gone"}}]}, "2 tries each.*502 upstream gone"),
    ],
)
def test_an_error_inside_a_good_reply_is_said(serve, run_served, body, said):
    server = serve(lambda number, _: Reply(body=body))
    with pytest.raises(BadInput, match=said) as caught:
        run_served(server.url, api="chat", sampling=ONE, retries=1)
    assert "\n" not in str(caught.value) and len(server.asked) <= 12


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Rate limit reached for tokens per minute", "type": "tokens"}},
        {"error": {"message": "upstream says no", "code": 429}, "choices": [{"message": {"content": None}}]},
        {"object": "error", "message": "The engine is overloaded, try again later", "code": 503},
    ],
)
def test_a_rate_limit_inside_a_good_reply_passes(serve, run_served, body):
    server = serve(lambda number, _: Reply(body=body, headers={"Retry-After": "0"}) if number < 3 else None)
    assert {trace.key for trace in run_served(server.url, api="chat")} == KEYS and len(server.asked) == 9


def test_an_overflow_inside_a_good_reply_is_marked(serve, run_served):
    body = {"error": {"message": "The prompt is too long: 9000 tokens, the model takes 4096", "type": "invalid"}}
    server = serve(lambda number, asked: Reply(body=body) if "2" in str(asked["messages"]) else None)
    traces = run_served(server.url, api="chat", sampling=ONE)
    found = {trace.problem_id: trace.finish_reason for trace in traces}  # they come as they come
    assert found == {p.id: "overflow" if p.id == "p2" else "stop" for p in PROBLEMS}


@pytest.mark.parametrize("key", ["n", "EMPTY", "sk-0123456789"])
def test_a_key_is_never_said_and_hides_no_word(serve, run_served, monkeypatch, key):
    monkeypatch.setenv("MY_KEY", key)
    server = serve(lambda number, body: error(400, f"n must be 1 for {key}") if body["n"] > 1 else None)
    assert {trace.key for trace in run_served(server.url, key="MY_KEY")} == KEYS
    server.script = lambda number, body: error(418, f"a teapot for {key}, no server")
    with pytest.raises(BadInput, match=r"a teapot for \*\*\*, no server"):
        run_served(server.url, key="MY_KEY", sampling=Sampling(max_tokens=9, samples=5))
