"""How a base is spoken to: in its own chat template, in ChatML, as plain text, or in a file's template."""

import copy
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from longcot.files.encoding import read_text
from longcot.files.errors import BadInput
from longcot.files.paths import display_path, model_name, resolve
from longcot.problems.prompts import TEMPLATES

CHATML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{{- '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# The words before problem and solution are those of Minerva's four-shot prompt for MATH (arXiv 2206.14858).
PLAIN = (
    "{%- for message in messages %}{%- if message['role'] == 'user' %}{{- 'Problem:\\n' }}"
    "{%- elif message['role'] == 'assistant' %}{{- 'Solution:\\n' }}{%- endif %}"
    "{{- message['content'] + '\\n\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- 'Solution:\\n' }}{%- endif %}"
)
DOCUMENT = "{%- for message in messages %}{{- message['content'] }}{%- endfor %}"
RAW = "raw"  # of documents: what is said and nothing around it; chosen by a prompt's style
DEFAULT = "plain"  # of a model without a template of its own, where a study does not say how it is spoken to


def with_template(tokenizer: Any, choice: str = "") -> Any:
    """The tokenizer with the chat template that a study chooses (`prompt.chat_template`), as a copy where it changes.

    Empty: its own, or `DEFAULT` where it has none. Raises BadInput where its own is asked for and it has none, and for
    a file that cannot be read.
    """
    name = template_name(tokenizer, choice)
    if name == "own":
        return tokenizer
    changed = copy.copy(tokenizer)
    changed.chat_template = _text(tokenizer, name)
    return changed


def template_name(tokenizer: Any, choice: str = "") -> str:
    """The name of the template that a choice comes to: one of `TEMPLATES`, or the file's. Raises BadInput as above."""
    if not choice:
        return "own" if tokenizer.chat_template else DEFAULT
    if choice == "own" and not tokenizer.chat_template:
        raise BadInput(
            f"{_name(tokenizer)}: prompt.chat_template: own, but this model has none; say plain, chatml or a file"
        )
    return choice


def spoken_as(tokenizer: Any, choice: str = "") -> str:
    """How a manifest names the template of a choice; nothing where it is the model's own."""
    name = template_name(tokenizer, choice)
    if name in (*TEMPLATES, RAW):
        return {"own": "", "chatml": "chatml"}.get(name, name if choice else f"{name}, as the model has no template")
    return display_path(resolve(name))


def template_text(tokenizer: Any) -> str:
    """The template that is in force: the tokenizer's, or the default one. Raises BadInput where it has several."""
    if not tokenizer.chat_template:
        return _text(tokenizer, DEFAULT)
    try:
        return tokenizer.get_chat_template()
    except ValueError as error:
        raise BadInput(
            f"{_name(tokenizer)}: {_first_line(error)}; give one as a file by prompt.chat_template"
        ) from None


def apply_template(tokenizer: Any, messages: Sequence[dict[str, str]], add_generation_prompt: bool) -> str:
    """The text of a conversation exactly as the template gives it. Raises BadInput where the template refuses it."""
    how = {"tokenize": False, "add_generation_prompt": add_generation_prompt}
    template = template_text(tokenizer)
    try:
        return tokenizer.apply_chat_template(list(messages), chat_template=template, **how)
    except (TemplateError, TypeError, ValueError, LookupError) as error:
        roles = ", ".join(message["role"] for message in messages[:3]) + (", …" if len(messages) > 3 else "")
        raise BadInput(
            f"{_name(tokenizer)}: its chat template refuses a conversation of {roles} ({_first_line(error)}); "
            "change prompt.system, or give another template by prompt.chat_template"
        ) from None


def _text(tokenizer: Any, name: str) -> str:
    """A template by its name; a named one begins with the BOS where the tokenizer puts one before any text."""
    if name not in (*TEMPLATES, RAW):
        path = resolve(name)
        if not path.is_file():
            raise BadInput(
                f"prompt.chat_template: no template in {display_path(path)}; say {', '.join(TEMPLATES)}, or "
                "give a Jinja file"
            )
        return read_text(path)
    ids, bos = tokenizer("a")["input_ids"], tokenizer.bos_token_id
    start = "{{- bos_token }}" if bos is not None and ids[:1] == [bos] else ""
    return start + {"chatml": CHATML, "plain": PLAIN, RAW: DOCUMENT}[name]


def _name(tokenizer: Any) -> str:
    return model_name(tokenizer.name_or_path) if tokenizer.name_or_path else "this model"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
