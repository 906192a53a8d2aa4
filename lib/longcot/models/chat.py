"""A conversation as a model's chat template gives it, and what ends a turn of the assistant's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from longcot.files.errors import BadInput
from longcot.models.layout import EMPTY_BLOCK, Layout, layout
from longcot.models.templates import apply_template

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

MARK = "Zq6turn"


def turn_end(tokenizer: Any) -> str:
    """The token that ends an assistant's turn: the one that the template puts after it, or the first of the next turn.

    It need not be the EOS: base models of the Qwen2.5 family name `<|endoftext|>`, and their turns end in `<|im_end|>`.
    The EOS where the template puts no token. Raises BadInput where there is neither.
    """
    return layout(tokenizer).end


def stop_ids(tokenizer: Any, own: Sequence[int] = ()) -> list[int]:
    """The tokens that end a response: the turn's end, the EOS, and `own`, those of the model's generation config."""
    ids = {tokenizer.convert_tokens_to_ids(turn_end(tokenizer)), tokenizer.eos_token_id, *own}
    return sorted(number for number in ids if number is not None)


def stop_texts(tokenizer: Any) -> list[str]:
    """What ends a response as text, in a template that has no token for it; else nothing."""
    return list(layout(tokenizer).stop_texts)


def thought_opening(tokenizer: Any) -> str:
    """The tag of a thought, with white space, with which the template's prompts end; else nothing."""
    return layout(tokenizer).opening


def left_out(tokenizer: Any) -> str:
    """The system turn that the template says of its own accord, and `render` leaves out."""
    return layout(tokenizer).dropped


def render(tokenizer: Any, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool) -> str:
    """The text of `messages` in the tokenizer's chat template, with no system turn but one that stands in `messages`.

    What an assistant says stays as it is: thoughts that the template would strip or move, and no empty block of them
    that it would put. A system turn that it says of its own accord is left out, where `layout` proves that it can be.
    A tokenizer without a template has the default one of `templates`. Raises BadInput where the template refuses the
    conversation, leaves out a part of it, or cannot go without its own system turn.
    """
    pieces = rendered_pieces(tokenizer, messages, add_generation_prompt)
    said = [message["content"].strip() for message in messages if message["role"] == "assistant"]
    return "".join(piece + content for piece, content in zip(pieces, [*said, ""], strict=True))


def rendered_pieces(tokenizer: Any, messages: Sequence[dict[str, str]], add_generation_prompt: bool) -> list[str]:
    """The text around what the assistant says in `messages`: before its first turn, between its turns, after its last.

    White space around a content belongs to the pieces. Raises BadInput as `render` does.
    """
    mark = MARK
    while any(mark in message["content"] for message in messages):
        mark += "q"
    turns, marks = [], []
    for message in messages:
        if message["role"] == "assistant":
            marks.append(f"{mark}{len(marks)}x")
            content = message["content"]
            space = content[: len(content) - len(content.lstrip())], content[len(content.rstrip()) :]
            turns.append({**message, "content": marks[-1].join(space) if content.strip() else marks[-1]})
        else:
            turns.append(message)
    text = apply_template(tokenizer, turns, add_generation_prompt)
    if messages[0]["role"] == "system":
        if messages[0]["content"].strip() not in text:
            raise BadInput("the chat template leaves out the system prompt; leave out prompt.system, or give another")
    else:
        text = _without_its_own(layout(tokenizer), text)
    pieces = []
    for one in marks:
        before, found, text = text.partition(one)
        if not found or one in text:
            raise BadInput("the chat template does not put what the assistant says as it is; give another by a file")
        pieces.append(EMPTY_BLOCK.sub("", before))
    return [*pieces, text]


def _without_its_own(found: Layout, text: str) -> str:
    """The text without the system turn that the template says of its own accord."""
    if not found.refusal and text.startswith(found.kept + found.dropped):
        return found.kept + text[len(found.kept + found.dropped) :]
    why = found.refusal or "it says another one now"
    raise BadInput(
        f"cannot leave out the chat template's own system turn ({why}); set prompt.system, or give another template "
        "by prompt.chat_template"
    )


def opened(tokenizer: Any, messages: Sequence[dict[str, str]]) -> tuple[str, str]:
    """(the prompt, what is given of the response) of a conversation; given is what the assistant says at its end.

    Without the tag of a thought that the prompt opens. Raises BadInput as `render` does, and where what is given holds
    a text that would end the turn.
    """
    given = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    prompt = render(tokenizer, messages[:-1] if given else messages, add_generation_prompt=True)
    if not given:
        return prompt, ""
    if early := next((one for one in (turn_end(tokenizer), *stop_texts(tokenizer)) if one in given), None):
        raise BadInput(f"prefill holds {early!r}, which would end the response; give less")
    opening = thought_opening(tokenizer)
    if opening and given.lstrip().startswith(opening.rstrip()):
        given = given.lstrip()[len(opening.rstrip()) :].removeprefix(opening[len(opening.rstrip()) :])
    return prompt, given


def further_tokens(tokenizer: Any, text: str, ids: list[int], part: str) -> list[int]:
    """The tokens of `part` after `text`, whose tokens are `ids`; those stay as they are.

    A tokenizer of the SentencePiece kind puts a space before each text that it is given, so it is given the whole.
    """
    first = tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False)["input_ids"])[0]
    if text and first.startswith("▁"):
        whole = tokenizer(text + part, add_special_tokens=False)["input_ids"]
        if whole[: len(ids)] == ids:
            return whole[len(ids) :]
    return tokenizer(part, add_special_tokens=False)["input_ids"]


def response_text(tokenizer: Any, prompt: str, content: str) -> str:
    """What an assistant's turn adds to its prompt, up to and with the token that ends it.

    White space goes where the template takes it off, and the tag that opens a thought where the prompt gave it. Raises
    BadInput where the template does not go on as its prompts end, and where the content would end the turn early.
    """
    found = layout(tokenizer)
    if found.unlike:
        raise BadInput(f"cannot be trained on with this chat template ({found.unlike}); give another by a file")
    if early := next((stop for stop in (found.end, tokenizer.eos_token) if stop and stop in content), None):
        raise BadInput(f"the assistant's message holds {early}, which would end its turn early; remove it")
    content = content.lstrip() if found.trims[0] else content
    content = content.rstrip() if found.trims[1] else content
    if found.opening and prompt.endswith(found.opening):
        tag, space = found.opening.rstrip(), found.opening[len(found.opening.rstrip()) :]
        if content.lstrip().startswith(tag):
            content = content.lstrip()[len(tag) :].removeprefix(space)
    return found.before + content + found.after + found.end


def reopened(text: str, opening: str) -> str:
    """A response with the tag that its prompt opened before it, if it has not got it."""
    return text if text.lstrip().startswith(opening.rstrip()) else opening + text


def ended(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """A response up to the first of these texts, and whether one stood in it."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def turn_generation_config(tokenizer: "PreTrainedTokenizerBase", own: Sequence[int] = ()) -> "GenerationConfig":
    """A generation config that says when to stop, on `stop_ids`, and nothing else."""
    from transformers import GenerationConfig

    return GenerationConfig(eos_token_id=stop_ids(tokenizer, own), pad_token_id=tokenizer.pad_token_id)
