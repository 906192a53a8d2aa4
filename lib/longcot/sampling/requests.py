"""What a sampler is asked, and what it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from longcot.problems.problem import Problem
from longcot.sampling.settings import Sampling
from longcot.traces.trace import Key

Messages = list[dict[str, str]]

# In one HTTP request. More would be lost together where it is lost, and each waits for the longest of them.
SAMPLES_A_REQUEST = 4

OVERFLOW = "overflow"  # the finish reason of a sample whose prompt leaves no room in the context: no text, no answer

EMPTY = "empty"  # of one whose text a server has lost each time that it was asked


@dataclass(frozen=True)
class Request:
    """One response that is wanted: chat messages, and where it goes. `parent` is the stage of the trace it edits.

    Where the assistant speaks last in `messages`, the response begins with that.
    """

    problem: Problem
    sample: int
    stage: str
    parent: str
    messages: Messages

    @property
    def key(self) -> Key:
        """What is unique in a file of traces."""
        return self.problem.id, self.sample, self.stage


@dataclass(frozen=True)
class Completion:
    """A model's response. `completion_tokens` counts the token it stopped on, as servers do.

    `text` begins with what was given, so many tokens and characters, which the other two counts leave out.
    """

    text: str
    finish_reason: str | None  # as `finish_reasons` has them; None: a word of the server's that nobody knows
    prompt_tokens: int | None
    completion_tokens: int | None
    given_tokens: int = 0
    given_characters: int = 0


class Sampler(Protocol):
    """What answers requests."""

    def responses(
        self, requests: Sequence[Request], done: set[Key], sampling: Sampling, *, model: str, adapter: str
    ) -> Iterator[list[tuple[Request, Completion]]]:
        """The responses to the requests of one stage that are not `done`, some at a time, as they come.

        All requests are given, so that batches and seeds are the same in a run that was cut and goes on; seeds belong
        to `sampling.seed`, `model`, `adapter` and the place of a request. One whose prompt leaves no room in the
        context comes with the finish reason "overflow". Raises BadInput where some cannot be had, after the others.
        """

    def prompt_text(self, messages: Messages) -> str:
        """The prompt as the model sees it."""
