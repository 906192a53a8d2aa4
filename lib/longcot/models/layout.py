"""What a chat template does to a conversation, read from what it makes of unmistakable words."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from longcot.files.errors import BadInput
from longcot.models.templates import apply_template, template_text

USER, LATER_USER, SAID, SYSTEM = "Zq1user", "Zq2user", "Zq3said", ("Zq4system", "Zq5system")
# Tags around a thought, in the templates of DeepSeek-R1, Qwen3 and GLM-4.5; Sky-T1; Magistral; Seed-OSS; Command A.
TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
OPENING = re.compile(rf"(?:{'|'.join(map(re.escape, TAGS))})\s*$")
EMPTY_BLOCK = re.compile("(?:" + "|".join(re.escape(tag) + r"\s*" + re.escape(TAGS[tag]) for tag in TAGS) + r")\s*$")
SHORT = 4  # characters: a shorter mark stands in many a text


@dataclass(frozen=True)
class Layout:
    """How a template puts a turn of the assistant's, and what it says that nobody asked for.

    A turn is `before` + its content + `after` + `end`, the first of them what stands beyond the prompt. `own_end` says
    whether the template puts `end` itself. `trims` says whether it takes white space off the left and the right of a
    content. `opening` is the tag of a thought with which its prompts end, `stop_texts` what ends a turn in a template
    that has no token for it. `dropped` is a system turn of its own, which follows `kept`; `refusal` says why it has
    one that cannot be left out; `unlike` why it cannot be trained on.
    """

    before: str
    after: str
    end: str
    own_end: bool
    trims: tuple[bool, bool]
    opening: str
    stop_texts: tuple[str, ...]
    kept: str
    dropped: str
    refusal: str
    unlike: str


def layout(tokenizer: Any) -> Layout:
    """What the tokenizer's chat template does; found once. Raises BadInput where it cannot be told."""
    key = tokenizer.bos_token, tokenizer.eos_token, date.today()  # some templates say the date
    return _layout(tokenizer, template_text(tokenizer), key)


@functools.lru_cache(maxsize=16)
def _layout(tokenizer: Any, template: str, key: tuple[Any, ...]) -> Layout:
    special, prompt = special_tokens(tokenizer), apply_template(tokenizer, _turns(USER), True)
    around = _said(tokenizer, USER, SAID).split(SAID)
    before, after = around if len(around) == 2 else (prompt, "")
    before = EMPTY_BLOCK.sub("", before)
    later = (_said(tokenizer, USER, SAID, LATER_USER).split(SAID)[1:] or [""])[0].split(LATER_USER)[0]
    end, own_end, after_content = _end(tokenizer, special, after, later)
    stop_texts = () if own_end else _stop_texts(after, later)
    unlike = ""
    if len(around) != 2:
        unlike = "it does not put what the assistant says as it is"
    elif not before.startswith(prompt) and not prompt.startswith(before):
        unlike = f"prompts end in {prompt[-30:]!r}, but turns begin with {before[-30:]!r}"
    elif after.strip() and not own_end and not stop_texts:
        unlike = f"it does not end a turn with a token, but with {after.strip()!r}, which may stand in any text"
    white, opening = _said(tokenizer, USER, f"  {SAID}  ").split(SAID), OPENING.search(prompt)
    ends_there = (
        special.search(later) if own_end and end in after else None
    )  # an earlier turn may end with another token
    header = later[ends_there.end() :] if ends_there else later
    kept, dropped, refusal = _own_system(tokenizer, special, prompt, header.lstrip())
    return Layout(
        before=before.removeprefix(prompt) if before.startswith(prompt) else "",
        after=after_content,
        end=end,
        own_end=own_end,
        trims=(not white[0].endswith("  "), not white[-1].startswith("  ")),
        opening=opening[0] if opening else "",
        stop_texts=stop_texts,
        kept=kept,
        dropped=dropped,
        refusal=refusal,
        unlike=unlike,
    )


def special_tokens(tokenizer: Any) -> re.Pattern[str]:
    """A pattern of the tokens that were added to the vocabulary, but for those of white space alone."""
    texts = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
    texts = sorted((text for text in texts if text.strip()), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, texts)) or r"(?!)")


def _turns(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    turns = [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(contents)]
    return turns if system is None else [{"role": "system", "content": system}, *turns]


def _said(tokenizer: Any, *contents: str) -> str:
    """The text of such turns; nothing where a template does not take them."""
    try:
        return apply_template(tokenizer, _turns(*contents), False)
    except BadInput:
        return ""


def _end(tokenizer: Any, special: re.Pattern[str], after: str, later: str) -> tuple[str, bool, str]:
    """(the token that ends an assistant's turn, whether the template puts it, the text before it).

    The first special token after the content, as ChatML's `<|im_end|>`, else the first of the next turn, as GLM's
    `<|user|>`, else the EOS.
    """
    if found := special.search(after):
        return found[0], True, after[: found.start()]
    if (found := special.search(later)) and not later[: found.start()].strip():
        return found[0], True, later[: found.start()]
    if not tokenizer.eos_token:
        raise BadInput("neither the chat template nor the tokenizer says what ends a turn; give the tokenizer an EOS")
    return tokenizer.eos_token, False, ""


def _stop_texts(after: str, later: str) -> tuple[str, ...]:
    """What ends a turn in plain text: what stands after every content, else what begins the next turn."""
    text = after if after.strip() else later
    mark = text.strip().split("\n")[0]
    new_line = "\n" in text[: len(text) - len(text.lstrip())]
    return (("\n" if new_line else "") + mark,) if len(mark) >= SHORT else ()


def _own_system(tokenizer: Any, special: re.Pattern[str], prompt: str, header: str) -> tuple[str, str, str]:
    """(what is kept, what is dropped after it, why it cannot be dropped) of a prompt without a system turn.

    A later user's turn begins with `header`. What the first one has before its header is a system turn that nobody
    gave, if it says anything beyond special tokens. It may be dropped where a system turn that is given stands in its
    place and leaves the rest as it is, in text and in tokens.
    """
    first = prompt[: prompt.index(USER)] if USER in prompt else ""
    systems = [_given_system(tokenizer, one) for one in SYSTEM]
    takes = all(text and one in text for text, one in zip(systems, SYSTEM, strict=True))
    if not header or not first.endswith(header):
        if takes and _replaced(first, systems):
            return "", "", "its default system prompt stands within the user's turn"
        return "", "", ""
    lead = first[: len(first) - len(header)]
    kept = _lead(tokenizer, special, lead, header)
    dropped, rest = lead[len(kept) :], prompt[len(lead) :]
    if not special.sub("", dropped).strip() or not (takes or special.search(dropped)):
        return "", "", ""
    other = apply_template(tokenizer, _turns(LATER_USER), True)
    proven = (
        takes
        and all(text.startswith(kept) and text.endswith(rest) for text in systems)
        and other == lead + rest.replace(USER, LATER_USER)
        and _same_tokens(tokenizer, kept, dropped, rest)
    )
    return (kept, dropped, "") if proven else ("", "", f"it always says {dropped[:60]!r} first")


def _given_system(tokenizer: Any, system: str) -> str:
    try:
        return apply_template(tokenizer, _turns(USER, system=system), True)
    except BadInput:  # as of Gemma 2's
        return ""


def _replaced(first: str, systems: Sequence[str]) -> bool:
    """Whether what stands before the first question is the same around some words of its own as around given ones."""
    before, around = systems[0].split(SYSTEM[0])[0], systems[0].split(SYSTEM[0])[-1].split(USER)[0]
    same = len(first) > len(before) + len(around) and bool(before or around)
    return same and first.startswith(before) and first.endswith(around)


def _lead(tokenizer: Any, special: re.Pattern[str], lead: str, header: str) -> str:
    """What of a prompt's lead opens the whole conversation, as a BOS does, and no turn of it."""
    run, place = [], 0
    while found := special.match(lead, place):
        run.append(found[0])
        place = found.end()
    if (opener := special.match(header)) and opener[0] in run:
        return "".join(run[: run.index(opener[0])])
    if run and run[0] == tokenizer.bos_token:
        return run[0]
    return "".join(run[:-1]) if place < len(lead) else "".join(run)


def _same_tokens(tokenizer: Any, kept: str, dropped: str, rest: str) -> bool:
    """Whether the tokens of what stays are those that it has in the whole."""

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    whole, short, start = ids(kept + dropped + rest), ids(kept + rest), ids(kept) if kept else []
    tail = short[len(start) :]
    return short[: len(start)] == start and whole[: len(start)] == start and whole[len(whole) - len(tail) :] == tail
