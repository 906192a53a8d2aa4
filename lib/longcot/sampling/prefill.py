"""The beginning of a response that is given: a text, or the first tokens or lines of another arm's response."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field, model_validator

from longcot.files.errors import BadInput
from longcot.files.strict import Strict
from longcot.grading.extraction import boxes
from longcot.traces.trace import Trace

Given = Callable[[str, int], str]  # (problem id, sample) -> what is given of the response


class Prefill(Strict):
    """What each response begins with: `text`, or the first `tokens` or `lines` of `arm`'s to the same problem.

    Sample by sample, and from the first sample again where that arm has fewer. Tokens are the sampled model's, a line
    ends with its line end.
    """

    text: str = ""  # the same for every problem
    arm: str = ""  # whose responses begin it
    tokens: int | None = Field(None, ge=1)  # of that arm's response, counted by the sampled model
    lines: int | None = Field(None, ge=1)  # of that arm's response

    @model_validator(mode="after")
    def _one_way(self) -> "Prefill":
        if bool(self.text) == bool(self.arm):
            raise ValueError("give a text, or an arm whose responses begin it, and not both")
        if (self.tokens is not None) + (self.lines is not None) != bool(self.arm):
            raise ValueError("with arm give tokens or lines, one of the two; with text neither")
        if boxes(self.text):
            raise ValueError("the text holds a boxed answer; give less")
        return self

    @property
    def said(self) -> dict[str, Any]:
        """What it says."""
        return self.model_dump(exclude_defaults=True)

    def of(self, traces: Iterable[Trace], tokenizer: Any, name: str) -> Given:
        """What is given for each problem and sample; `traces` are those of its arm, `name` is the arm that is given it.

        Raises BadInput, naming arm and problem, for a trace that is not longer than what is taken of it, or whose
        beginning holds the boxed answer; and when called for a problem without traces.
        """
        if self.text:
            return lambda problem, sample: self.text
        begun: dict[str, list[str]] = {}
        for trace in traces:
            if not trace.stage:
                begun.setdefault(trace.problem_id, []).append(self._beginning(trace, tokenizer, name))

        def given(problem: str, sample: int) -> str:
            if problem not in begun:
                raise BadInput(f"arm {name}: prefill: arm {self.arm} has no response to problem {problem}; sample it")
            return begun[problem][sample % len(begun[problem])]

        return given

    def _beginning(self, trace: Trace, tokenizer: Any, name: str) -> str:
        where = (
            f"arm {name}: prefill: of arm {self.arm}'s response to problem {trace.problem_id}, sample {trace.sample}"
        )
        if self.lines:
            parts = trace.text.splitlines(keepends=True)
            found, have = "".join(parts[: self.lines]), f"{len(parts)} lines"
        else:
            ids = tokenizer(trace.text, add_special_tokens=False)["input_ids"]
            found, have = _decoded(tokenizer, ids[: self.tokens], trace.text), f"{len(ids)} tokens"
        if len(found) >= len(trace.text.rstrip()) or not found:
            wanted = f"{self.lines} lines" if self.lines else f"{self.tokens} tokens"
            raise BadInput(f"{where}: {wanted} are all of it ({have}); give fewer")
        if boxes(found):
            raise BadInput(f"{where}: what is taken holds the boxed answer; give less")
        return found


def _decoded(tokenizer: Any, ids: list[int], text: str) -> str:
    """The part of a text that these first tokens of it are, without half a character at its end."""
    while ids:
        found = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if text.startswith(found):
            return found
        ids = ids[:-1]
    return ""
