"""How a problem is put to a model: named prompt styles as chat messages, and their text in a model's own template."""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from longcot.errors import BadInput
from longcot.problems import Problem

# Wording in the manner of the Qwen2.5-Math model card, which asks for steps and a boxed answer.
ZERO_SHOT = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
STYLES = ("zero_shot", "few_shot")
TURN_END = "<|im_end|>"


def build_messages(
    style: str,
    problem: Problem,
    *,
    system: str | None = None,
    template: str | None = None,
    examples: Sequence[tuple[str, str]] = (),
) -> list[dict[str, str]]:
    """The chat messages that put `problem` to a model, as `{"role", "content"}`.

    `zero_shot` is one user turn, `template` with `{problem}` replaced (default `ZERO_SHOT`). `few_shot` puts
    `examples`, pairs of a problem's text and a trace, before it as turns of their own. `system` None means no system
    prompt at all, see `render`. Raises BadInput for an unknown style or where style and arguments disagree.
    """
    if style not in STYLES:
        raise BadInput(f"prompt_style {style!r} is not known; use one of {', '.join(STYLES)}")
    if (style == "few_shot") != bool(examples):
        raise BadInput(f"prompt_style {style!r} with {len(examples)} examples; few_shot needs them, others take none")
    template = ZERO_SHOT if template is None else template
    if "{problem}" not in template:
        raise BadInput(f"prompt template {template!r} has no {{problem}} in it; say where the problem goes")
    messages = [{"role": "system", "content": system}] if system is not None else []
    for text, trace in examples:
        messages.append({"role": "user", "content": template.replace("{problem}", text)})
        messages.append({"role": "assistant", "content": trace})
    return messages + [{"role": "user", "content": template.replace("{problem}", problem.problem)}]


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
    return whole[len(turn) :]
