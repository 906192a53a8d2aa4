"""A request that is too long, in the words of many servers, and how long it may be by what they say.

The words are those of vLLM (0.4 to 0.32), SGLang, TGI, llama.cpp, TensorRT-LLM, LM Studio and TabbyAPI, and of the APIs
of OpenAI, Anthropic, Gemini, Mistral, DeepSeek, xAI, Groq, Together, Cohere, Qwen, Moonshot, Zhipu and OpenRouter.
"""

import re

from longcot.sampling.server.refusal import NOT_TAKEN

_LIMIT = r"max_(?:completion_|new_|output_)?tokens|(?:completion|output) tokens"
_INPUT = r"(?:prompt|inputs?|messages?|requested|request|tokens?|sequence|conversation)"
_TOO_MUCH = (
    r"(?:too (?:long|large|many|big)|exceed|(?:longer|greater|larger|more) than|overflow"
    r"|(?:must|should|can(?:not)?) (?:be|have) (?:<|less|at most|fewer|no more|greater))"
)
_OVERFLOW = re.compile(
    rf"context[ _-]?(?:length|window|size|limit)|\b{_INPUT}\b[^.;]{{0,80}}{_TOO_MUCH}"
    r"|reduce (?:the|your) (?:length|number|prompt|input|messages)|range of input length|too many (?:input )?tokens"
    r"|max(?:imum)?[ _](?:allowed |number of )?(?:input|prompt|seq(?:uence)?|model|total|context)[ _](?:len|tokens)"
    r"|token limit|string[ _]too[ _]long|string_above_max_length|request_too_large",
    re.I,
)
_LENGTHS = re.compile(r"token|context|prompt|input|length|message", re.I)  # one of them is what an overflow is about
_VALIDATION = re.compile(r"(?:extra )?inputs? (?:should|are not|is not|tag)[^;]*", re.I)  # pydantic's, of any field
_INTEGER = r"(?<![\w.,-])(\d+)(?![\w-])"

_CONTEXT = [  # what prompt and response have together
    r"must be <= ?(\d+)",
    r"\d+ \+ \d+ > (\d+)",
    r"context[ _-]?(?:length|window|size|limit)\D{0,40}(\d+)",
    r"(\d+) max\w* context",
    r"max(?:imum)?[ _](?:model|seq(?:uence)?|total)[ _](?:len\w*|tokens)\D{0,20}(\d+)",
]
_PROMPT = [  # what the server counts in the prompt
    r"(\d+) \+ \d+ > \d+",
    r"(\d+)\W+(?:text |prompt )?inputs?\W+tokens",
    r"(\d+)\W+prompt tokens",
    r"(\d+)\W+(?:tokens\W+)?(?:in|from|of) (?:the |your )?(?:text |input )?(?:prompt|messages|input)",
    r"(?:prompt|input|request|messages)[^.\d]{0,40}?(\d+)\W*tokens",
    r"(?:prompt|input)(?: is too long| length|\W+length)\W+(\d+)",
]


def room_left(said: str, prompt_tokens: int | None, limit: int) -> int | None:
    """How many tokens of a response have room, fewer than the `limit` asked for; None for words of something else.

    0 where none has, or where the words do not say. `prompt_tokens` is our own count of the prompt, for words without
    one. Where neither is known (vLLM counts no further than the context, and says "at least"), or where by these
    counts all had room, half is tried.
    """
    said = _plain(said)
    if longest_response(said, limit) or not (_OVERFLOW.search(said) and _LENGTHS.search(said)):
        return None
    context, prompt = _first(_CONTEXT, said), _first(_PROMPT, re.sub(r"at least \d+", "", said))
    prompt = prompt_tokens if prompt is None else prompt
    if context is None or (prompt is not None and prompt >= context):
        return 0
    left = limit if prompt is None else context - prompt
    return left if left < limit else min(limit, context) // 2


def longest_response(said: str, limit: int) -> int | None:
    """The longest response, in tokens, that a server gives to any prompt, where it says so to a longer `limit`."""
    said = _plain(said)
    if not re.search(_LIMIT, said, re.I) or re.search(r"\b(?:inputs?|prompt|messages?)\b", said, re.I):
        return None
    if NOT_TAKEN.search(said):  # the parameter itself is not taken; a number may be the model's name
        return None
    return max((int(found) for found in re.findall(_INTEGER, said) if 1 < int(found) < limit), default=None)


def _plain(said: str) -> str:
    """The words without what a validation says of any field, and with numbers as digits alone."""
    return _VALIDATION.sub("", re.sub(r"(?<=\d),(?=\d{3})", "", said))


def _first(patterns: list[str], said: str) -> int | None:
    found = (re.search(pattern, said, re.I) for pattern in patterns)
    return next((int(one[1]) for one in found if one), None)
