"""Why a response ended: the words of many servers and trace files, and the project's own for them."""

import re

# `stop`: the model ended its turn, also with a call of a tool. `length`: cut before that, by whatever limit. `error`:
# the server broke it off, so it is no response at all. `overflow` and `empty` are marks of this project (`sampling`).
# Sources: the API references of OpenAI, Anthropic, Gemini, Mistral, Cohere, DeepSeek, Zhipu, Bedrock and watsonx, and
# those of vLLM, SGLang, TGI, llama.cpp, LM Studio, Ollama and TensorRT-LLM.
_WORDS = {
    "stop": """stop stopped end ended eos eos_token eos_found end_turn end_of_turn end_of_text endoftext end_of_sequence
        end_of_sequence_token stop_sequence stop_string_found stop_token stop_word stop_words stop_str word complete
        completed finish finished done eot im_end tool_calls tool_call tool_use function_call function_calls""",
    "length": """length limit cut truncated incomplete max_tokens max_token max_length max_len max_new_tokens
        max_output_tokens max_completion_tokens max_predicted_tokens_reached max_tokens_reached token_limit
        token_limit_reached model_length context_length context_length_reached context_length_exceeded context_window
        context_window_exceeded model_context_window_exceeded error_limit out_of_tokens not_finished repetition
        time_limit timeout timed_out""",
    "content_filter": """content_filter content_filtered content_filter_results content_policy filtered filter safety
        recitation blocklist prohibited_content spii sensitive refusal refused guardrail guardrails
        guardrail_intervened moderation flagged error_toxic image_safety image_prohibited_content""",
    "error": """error engine_error server_error network_error failed failure abort aborted cancel canceled cancelled
        user_cancel user_stopped interrupted disconnect disconnected preempted shutdown unload model_unloaded
        insufficient_system_resource malformed_model_output""",
    "overflow": "overflow",
    "empty": "empty",
}
_OURS = {word: ours for ours, words in _WORDS.items() for word in words.split()}
_PREFIX = re.compile(r"^(?:finish|stop)_?reason_")  # of an enumeration's member: FinishReason.STOP


def finish_reason(word: object) -> str | None:
    """The project's own finish reason for a server's or a file's, in any case and spelling; None for none or unknown.

    It is one of `stop`, `length`, `content_filter`, `error`, `overflow`, `empty`. SGLang's own API puts the word into
    an object, as its `type`.
    """
    if isinstance(word, dict):
        word = word.get("type")
    if not isinstance(word, str):
        return None
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word.strip())  # maxPredictedTokensReached
    snake = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")
    return _OURS.get(_PREFIX.sub("", snake))
