"""How a problem is put to a model: styles and edit passes as chat messages. The wordings stand in `wordings`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from longcot.files.errors import BadInput
from longcot.files.paths import resolve
from longcot.files.strict import Strict
from longcot.problems.problem import Problem
from longcot.problems.wordings import EDITS, RAW, STYLES

Style = Literal["zero_shot", "reasoning_style", "outline", "few_shot", "raw"]
AskedStyle = Literal["zero_shot", "reasoning_style", "outline", "raw"]  # in a study few_shot is `use: examples`
Edit = Literal["explore", "verify", "backtrack", "join", "paraphrase"]


TEMPLATES = ("own", "chatml", "plain")  # chat templates by name; any other name is a Jinja file of the project


class Raw(Strict):
    """A document's format, for the style `raw`: the model continues `template`, in which {problem} stands."""

    template: str  # as "Exercise. {problem}\nSolution.\n"
    stops: list[Annotated[str, Field(min_length=1)]] = []  # texts that end a response, beside the model's own stops

    @field_validator("template")
    @classmethod
    def _with_a_problem(cls, value: str) -> str:
        if "{problem}" not in value:
            raise ValueError(f"{value!r} has no {{problem}} in it; say where the problem goes")
        return value


class Prompt(Strict):
    """How problems are put: `template`, of zero_shot, holds {problem}; no system prompt unless one is given.

    `chat_template` is how the model is spoken to. `own` is its own; `chatml` needs two special tokens that the model
    should have seen; `plain` is problem and solution as text, `Problem:` and `Solution:` each on a line of its own, and
    the next `Problem:` ends a response. Where nothing is said it is the model's own, or `plain` where it has none.
    """

    template: str | None = None  # the whole user turn, with {problem} in it; default: the style's wording
    system: str | None = None  # a system prompt
    chat_template: str = ""  # one of `TEMPLATES`, or a Jinja file, relative to the project
    empty_thoughts: bool = False  # a training trace that marks no thoughts gets an empty block of them before it

    raw: Raw | None = None  # the format of the style `raw`

    LATER = frozenset({"chat_template", "empty_thoughts", "raw"})

    @property
    def template_file(self) -> Path | None:
        """The file of its chat template; None for one that has a name."""
        return resolve(self.chat_template) if self.chat_template not in ("", *TEMPLATES) else None

    @property
    def wording(self) -> dict[str, str | None]:
        """`template` and `system`, as `build_messages` takes them."""
        return {"template": self.template, "system": self.system}

    def wording_of(self, style: Style) -> dict[str, str | None]:
        """`wording` of a style: the raw one has its own template and no system prompt."""
        return {"template": self.raw.template, "system": None} if style == "raw" and self.raw else self.wording


def style_version(style: str) -> str:
    """A prompt style or edit pass with the version of its wording, as `reasoning_style/1`, for manifests.

    Raises BadInput for an unknown name.
    """
    known = STYLES | {"raw": RAW} | EDITS
    if style not in known:
        raise BadInput(f"prompt_style {style!r} is not known; use one of {', '.join(known)}")
    return f"{style}/{known[style].version}"


def build_messages(
    style: str,
    problem: Problem,
    *,
    system: str | None = None,
    template: str | None = None,
    examples: Sequence[tuple[str, str]] = (),
) -> list[dict[str, str]]:
    """The chat messages that put `problem` to a model in one of `STYLES`, as `{"role", "content"}`.

    Each is one user turn; `few_shot` puts `examples`, pairs of a problem's text and a trace, before it as turns of
    their own. `template`, with `{problem}` where the problem goes, replaces the wording of `zero_shot`, `few_shot` and
    `raw` and leaves that of the others alone; `system` goes before all, None means no system prompt, see `render`.
    Examples are never cut or left out: what does not fit the model's context is refused when sampled. Raises BadInput
    for an unknown style or where style and arguments disagree.
    """
    known = STYLES | {"raw": RAW}
    if style not in known:
        raise BadInput(f"prompt_style {style!r} is not known; use one of {', '.join(known)}")
    if (style == "few_shot") != bool(examples):
        raise BadInput(f"prompt_style {style!r} with {len(examples)} examples; few_shot needs them, others take none")
    if template is not None and "{problem}" not in template:
        raise BadInput(f"prompt template {template!r} has no {{problem}} in it; say where the problem goes")
    own = template is not None and style in ("zero_shot", "few_shot", "raw")
    wording = template if own else known[style].text
    messages = [{"role": "system", "content": system}] if system is not None else []
    for text, trace in examples:
        messages.append({"role": "user", "content": _fill(wording, problem=text)})
        messages.append({"role": "assistant", "content": trace})
    return messages + [{"role": "user", "content": _fill(wording, problem=problem.problem)}]


def edit_messages(name: str, problem: Problem, trace_text: str, *, system: str | None = None) -> list[dict[str, str]]:
    """The chat messages that give a model its own trace back, to be rewritten in one of the passes of `EDITS`.

    One user turn with problem, trace and instruction, so that another model may edit as well. Raises BadInput for an
    unknown pass.
    """
    if name not in EDITS:
        raise BadInput(f"edit {name!r} is not known; use one of {', '.join(EDITS)}")
    messages = [{"role": "system", "content": system}] if system is not None else []
    content = _fill(EDITS[name].text, problem=problem.problem, trace=trace_text)
    return messages + [{"role": "user", "content": content}]


def _fill(wording: str, **texts: str) -> str:
    """The wording with each `{name}` of `texts` replaced, in one go: braces within a text or elsewhere stay."""
    return re.sub(r"\{(\w+)\}", lambda found: texts.get(found[1], found[0]), wording)
