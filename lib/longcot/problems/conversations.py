"""Conversations in a row of a file: what was asked in one, and what was answered."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from longcot.files.errors import BadInput
from longcot.files.rows import json_value

_ROLES = {  # as chat templates have them, and as ShareGPT has them
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "tool": "tool",
    "function": "tool",
    "function_call": "tool",
    "observation": "tool",
}


class Turn(NamedTuple):
    """Who speaks (system, user, assistant or tool), and what is said."""

    role: str
    text: str


def turns(value: Any) -> list[Turn] | None:
    """The turns of a conversation, as `messages` (role, content) or ShareGPT's `conversations` (from, value) have them,
    also of a single message or one in the JSON of a cell; None for what is none.

    Thoughts that stand beside a content (`reasoning_content`) are put before it, tagged. Raises BadInput for a role
    that is not known and content that is no text.
    """
    value = json_value(value) if isinstance(value, str) else value
    messages = [value] if isinstance(value, dict) else value
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        return None
    for who, what in (("role", "content"), ("from", "value")):
        if all(who in one and what in one for one in messages):
            return [_turn(one, who, what) for one in messages]
    return None


def _turn(message: dict[str, Any], who: str, what: str) -> Turn:
    role = _ROLES.get(str(message[who]).lower())
    if role is None:
        raise BadInput(f"{who} {message[who]!r} is not known; use one of {', '.join(_ROLES)}")
    thoughts = message.get("reasoning_content") or message.get("reasoning") or message.get("thinking")
    thoughts = f"<think>{thoughts}</think>" if isinstance(thoughts, str) else ""
    return Turn(role, thoughts + "".join(_texts(message[what], what)))


def _texts(content: Any, what: str) -> Iterator[str]:
    parts = content if isinstance(content, list) else [content or ""]
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            raise BadInput(f"a {what} that holds other than text; leave such rows out")
        yield text


def asked(value: Any) -> Any:
    """The one question of a conversation; all else as it is. Raises BadInput where there are several, or none."""
    return _one_turn(value, "user")


def answered(value: Any) -> Any:
    """The one answer of a conversation; all else as it is. Raises BadInput where there are several, or none."""
    return _one_turn(value, "assistant")


def _one_turn(value: Any, role: str) -> Any:
    found = turns(value)
    if found is None:
        return value
    texts = [turn.text for turn in found if turn.role == role]
    if len(texts) != 1:
        raise BadInput(
            f"a conversation with {len(texts) or 'no'} turns of the {role}, and one is needed; name one by its place, "
            "as messages.-1.content"
        )
    return texts[0]
