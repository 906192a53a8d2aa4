"""A model's chat template: the text of a conversation, and the token that ends a turn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from longcot.files.errors import BadInput

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

TURN_END = "<|im_end|>"


def turn_end(tokenizer: Any) -> str:
    """The token that ends an assistant's turn: ChatML's `<|im_end|>` where the vocabulary has it, else the EOS.

    Base models of the Qwen2.5 family name `<|endoftext|>` as EOS though their chat template ends turns otherwise.
    """
    return TURN_END if TURN_END in tokenizer.get_vocab() else tokenizer.eos_token


def render(tokenizer: Any, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool) -> str:
    """The text of `messages` in the tokenizer's chat template, with no system turn but one that stands in `messages`.

    Qwen2.5's template puts a default system prompt where none is given. So one is given here and its turn, which the
    template also renders alone, is cut off again. Raises BadInput where the tokenizer has no chat template.
    """
    if not tokenizer.chat_template:
        raise BadInput(f"{tokenizer.name_or_path}: this model has no chat template; use one that has")

    def text(turns: Sequence[dict[str, str]], prompt: bool) -> str:
        return tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=prompt)

    if messages[0]["role"] == "system":
        return text(messages, add_generation_prompt)
    none = [{"role": "system", "content": "none"}]
    try:
        turn, whole = text(none, False), text([*none, *messages], add_generation_prompt)
    except TemplateError:  # a template that knows no system turn adds none either
        return text(messages, add_generation_prompt)
    if not turn or not whole.startswith(turn):
        raise BadInput(f"{tokenizer.name_or_path}: cannot leave out its template's system turn; set a system prompt")
    bos, rest = tokenizer.bos_token or "", whole[len(turn) :]
    # Templates of the Llama and DeepSeek families begin with it, which is before the turn that was cut off.
    return bos + rest if bos and turn.startswith(bos) else rest


def turn_generation_config(tokenizer: "PreTrainedTokenizerBase") -> "GenerationConfig":
    """A generation config that says when to stop, on the turn's end and on the EOS, and nothing else."""
    from transformers import GenerationConfig

    stops = {tokenizer.convert_tokens_to_ids(turn_end(tokenizer)), tokenizer.eos_token_id}
    return GenerationConfig(eos_token_id=sorted(stops), pad_token_id=tokenizer.pad_token_id)
