"""Servers that refuse a parameter or a prompt, in the words of many: asked for less, or marked, and said."""

import pytest
from scripted_server import KEYS, PROBLEMS, Reply, error

from longcot.files.errors import BadInput
from longcot.sampling.requests import OVERFLOW
from longcot.sampling.server.overflow import longest_response, room_left
from longcot.sampling.settings import Sampling

ONE = Sampling(max_tokens=40, samples=1)
PLAIN = Sampling(max_tokens=40, samples=1, temperature=1.0, top_p=1.0)


def forbidden(*names: str) -> Reply:
    """As FastAPI says it of fields that it does not know."""
    return Reply(
        422, {"detail": [{"loc": ["body", name], "msg": "no such field", "type": "extra_forbidden"} for name in names]}
    )


def refusing(reply: Reply, *names: str):
    """A script that refuses every request with one of these parameters."""
    return lambda number, body: reply if body.keys() & set(names) else None


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        Reply(
            400, {"error": {"message": "Unsupported parameter", "param": "max_tokens", "code": "unsupported_parameter"}}
        ),
        forbidden("max_tokens"),
        error(400, "Unrecognized request argument supplied: max_tokens, for gpt-4o-2024-08-06"),
    ],
)
def test_max_tokens_has_another_name(serve, run_served, caplog, reply):
    server = serve(refusing(reply, "max_tokens"))
    assert len(run_served(server.url, api="chat", sampling=ONE)) == 6
    assert server.asked[-1]["max_completion_tokens"] == 40 and "max_tokens" not in server.asked[-1]
    assert server.asked[-1]["top_k"] == -1 and "max_completion_tokens in place of max_tokens" in caplog.text


def test_max_tokens_that_is_refused_for_its_value_keeps_its_name(serve, run_served):
    server = serve(refusing(error(400, "max_tokens must be a multiple of 16"), "max_tokens"))
    with pytest.raises(BadInput, match="refuses the request .*multiple of 16"):
        run_served(server.url, api="chat", sampling=ONE)
    assert all("max_tokens" in body for body in server.asked)


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens is too large: 40. The model gives at most 20 completion tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 20]",
        "'max_tokens' (40) exceeds the model's maximum (20)",
        "`max_tokens` must be less than or equal to `20`, which is less than the `context_window` of the model",
    ],
)
def test_a_server_with_a_longest_response(serve, run_served, caplog, said):
    server = serve(lambda number, body: error(400, said) if body["max_tokens"] > 20 else None)
    traces = run_served(server.url, api="chat", sampling=ONE)
    assert {trace.finish_reason for trace in traces} == {"stop"} and server.asked[-1]["max_tokens"] == 20
    assert caplog.text.count("no response of it is longer than 20 tokens") == 1


@pytest.mark.parametrize(
    "name, reply",
    [
        ("seed", forbidden("seed")),
        ("seed", error(400, "Unsupported parameter: 'seed' is not supported with this model.")),
        ("stop", error(400, "Unsupported parameter: 'stop' is not supported with this model.")),
        ("n", forbidden("n")),
        ("frequency_penalty", error(400, "Argument not supported on this model: frequency_penalty")),
        ("presence_penalty", forbidden("presence_penalty", "frequency_penalty")),
        ("top_p", error(422, "Input validation error: `top_p` must be > 0.0 and < 1.0")),
        ("temperature", error(400, "Unsupported parameter: 'temperature' is not supported with this model.")),
    ],
)
def test_a_parameter_that_is_refused_is_left_out_alone(serve, run_served, caplog, name, reply):
    server = serve(refusing(reply, name))
    assert len(run_served(server.url, api="chat", sampling=PLAIN)) == 6
    sent = {"model", "messages", "temperature", "top_p", "max_tokens", "seed", "n", "stop", "top_k"}
    assert name not in server.asked[-1] and sent - {name} <= server.asked[-1].keys()
    assert name == "n" or f"refuses a setting ({reply.status} " in caplog.text


@pytest.mark.parametrize(
    "reply, fix",
    [
        (error(400, "'temperature' does not support 0.6 with this model. Only the default (1) is."), "support 0.6"),
        (forbidden("temperature"), "body.temperature"),
        (error(400, "`temperature` and `top_p` cannot both be given for this model"), "cannot both"),
    ],
)
def test_another_temperature_is_never_taken(serve, run_served, tmp_path, reply, fix):
    server = serve(refusing(reply, "temperature"))
    with pytest.raises(BadInput, match=rf"refuses the request .*{fix}.*in the study.* 24 of 24 samples") as caught:
        run_served(server.url, api="chat")
    assert "\n" not in str(caught.value) and all(body["temperature"] == 0.6 for body in server.asked)
    assert (tmp_path / "t.jsonl").read_text() == "" and len(server.asked) <= 4


def test_of_two_that_exclude_each_other_the_neutral_one_goes(serve, run_served):
    both = error(400, "`temperature` and `top_p` cannot both be given for this model")
    server = serve(lambda number, body: both if {"temperature", "top_p"} <= body.keys() else None)
    run_served(server.url, api="chat", sampling=Sampling(max_tokens=40, temperature=0.6, top_p=1.0))
    assert server.asked[-1]["temperature"] == 0.6 and "top_p" not in server.asked[-1]


def test_a_server_that_takes_the_api_alone(serve, run_served, caplog):
    def script(number, body):
        known = {"model", "messages", "temperature", "top_p", "max_completion_tokens", "n"}
        if unknown := sorted(body.keys() - known):
            return error(400, f"Unrecognized request arguments supplied: {', '.join(unknown)}")

    server = serve(script)
    assert {trace.key for trace in run_served(server.url, api="chat")} == KEYS
    assert "its own top_k and repetition_penalty hold" in caplog.text


OUR_WORDS = [  # said, our count of the prompt, what was asked for, what has room
    # vLLM, from 0.4 on
    (
        "the model's maximum context length is 4096 tokens, you asked for 4150 (4050 in the messages, 100 more)",
        None,
        100,
        46,
    ),
    (
        "'max_tokens' is too large: 4000. The maximum context length is 4096, the request has 500 input tokens",
        None,
        4000,
        3596,
    ),
    (
        "maximum context length is 4096. You requested 64 output tokens, the prompt contains 4050 input tokens",
        4000,
        64,
        46,
    ),
    (
        "maximum context length is 4096. You requested 64 output tokens, the prompt has at least 4033 input tokens",
        4050,
        64,
        46,
    ),
    (
        "maximum context length is 4096. You requested 64 output tokens, the prompt has at least 4033 input tokens",
        None,
        64,
        32,
    ),
    ("The decoder prompt (length 5000) is longer than the maximum model length of 4096", None, 40, 0),
    # TGI
    (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens",
        None,
        200,
        96,
    ),
    ("Input validation error: `inputs` must have less than 1024 tokens. Given: 5000", None, 40, 0),
    # SGLang
    ("The input (5000 tokens) is longer than the context length (4096 tokens) of the model.", None, 40, 0),
    (
        "Requested token count exceeds the maximum context length of 4096 tokens: 4000 tokens from the input messages",
        None,
        596,
        96,
    ),
    # llama.cpp, TensorRT-LLM, LM Studio, TabbyAPI
    ("the request exceeds the available context size", 12, 40, 0),
    ("request (5000 tokens) exceeds the available context size (4096 tokens)", 12, 40, 0),
    ("The sum of prompt length (4000) and max_tokens (200) should not exceed max_seq_len (4096)", None, 200, 96),
    ("Prompt length 5000 is greater than max_seq_len 4096", None, 40, 0),
    # OpenAI
    ("the maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens", None, 40, 0),
    ("'messages[0].content': a string too long, of 1540820 and not 1048576. string_above_max_length", None, 40, 0),
    ("Your input exceeds the context window of this model.", None, 40, 0),
    # Anthropic, Gemini, Mistral, xAI, Groq, Qwen, Moonshot, Cohere, OpenRouter
    ("prompt is too long: 210000 tokens > 200000 maximum", None, 40, 0),
    ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", None, 20000, 10000),
    ("The input token count (1,200,000) exceeds the maximum number of tokens allowed (1,048,576).", None, 40, 0),
    ("Prompt contains 40000 tokens, too large for a model of 32768 maximum context length", None, 40, 0),
    ("the maximum prompt length is 131072 but the request contains 537812 tokens", None, 40, 0),
    ("Please reduce the length of the messages or the completion.", None, 40, 0),
    ("Range of input length should be [1, 30720]", None, 40, 0),
    ("Your request exceeded model token limit: 8192", None, 40, 0),
    ("too many tokens: the size limit is exceeded by 100", None, 40, 0),
    ("the maximum context length is 32,768 tokens, you asked for about 40,000 (32,000 of text input)", None, 8000, 768),
    # ours says that it fits, the server that it does not
    ("the maximum context length is 100 tokens", 50, 40, 20),
    # not a word of a prompt that is too long
    ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", None, 40, None),
    ("max_tokens is too large: 40. The model gives at most 20 completion tokens.", None, 40, None),
    ("body.top_k: Input should be greater than or equal to 0 greater_than_equal;", None, 40, None),
    ("body.min_p: Extra inputs are not permitted extra_forbidden; body.n: Input should be less than 2", None, 40, None),
    ("temperature must be less than or equal to 2", None, 40, None),
    ("the request exceeded its time", None, 40, None),
    ("prompt must be a string", None, 40, None),
]


@pytest.mark.parametrize("said, prompt_tokens, limit, room", OUR_WORDS)
def test_the_room_that_words_leave(said, prompt_tokens, limit, room):
    assert room_left(said, prompt_tokens, limit) == room


def test_a_number_in_a_name_is_no_longest_response():
    assert longest_response("max_tokens is not supported with gpt-4o-2024-08-06", 32768) is None
    assert longest_response("max_tokens: 32768 > 8192, the most that m-3-5 gives", 32768) == 8192


@pytest.mark.parametrize(
    "reply",
    [
        Reply(422, {"error": "Input validation error: `inputs` must have less than 50 tokens. Given: 60"}),
        Reply(400, {"object": "error", "message": "The input (60 tokens) is longer than the model's context length."}),
        Reply(400, {"error": {"message": "no", "code": "context_length_exceeded"}}),
        Reply(500, {"error": "the request exceeds the available context size"}),
        Reply(413, b"<html><body><h1>413 Request Entity Too Large</h1></body></html>"),
    ],
)
@pytest.mark.parametrize("api", ["completions", "chat"])
def test_an_overflow_in_other_words_is_marked(serve, run_served, caplog, reply, api):
    first = []

    def script(number, body):
        first.append(body["prompt"]) if api == "completions" and not first else None
        return reply if "What is 2" in str(body.get("messages")) or body.get("prompt", "") in first else None

    server = serve(script)
    traces = run_served(server.url, api=api, sampling=ONE)
    assert sorted(t.finish_reason for t in traces) == [OVERFLOW] + ["stop"] * 5
    assert len(server.asked) == 6 and caplog.text.count("a prompt leaves no room") == 1 == len(caplog.records)


@pytest.mark.parametrize("base", [None, "nothing"])
def test_a_response_gets_the_room_that_is_left(serve, run_served, tmp_path, base):
    """Also where nobody here can count the prompt: the server does."""
    said = "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4070 `inputs` tokens"
    server = serve(lambda number, body: error(422, said) if body["max_tokens"] > 26 else None)
    traces = run_served(server.url, api="chat", sampling=ONE, **({"base": tmp_path / base} if base else {}))
    assert {trace.finish_reason for trace in traces} == {"stop"}
    assert [body["max_tokens"] for body in server.asked].count(26) == len(PROBLEMS) == len(server.asked) // 2


def test_what_an_error_holds_beside_its_words(serve, run_served):
    deep = {"error": {"message": "\x1b[31mno\x1b[0m such thing", "detail": []}}
    inner = deep["error"]
    for _ in range(300):
        inner["detail"] = {"detail": [inner := {"message": "deep"}]}
    server = serve(lambda number, body: Reply(418, deep))
    with pytest.raises(BadInput, match=r"418 \?\[31mno\?\[0m such thing") as caught:
        run_served(server.url, api="chat", sampling=ONE)
    assert str(caught.value).isprintable()
