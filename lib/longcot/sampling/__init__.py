"""Sampling: problems in, graded traces out, the same call for every kind of sampler."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from longcot.errors import BadInput
from longcot.problems import Problem
from longcot.prompts import build_messages
from longcot.settings import Sampling
from longcot.traces import Trace, TraceWriter, read_traces

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Completion:
    """A model's response. `completion_tokens` counts the token it stopped on, as servers do."""

    text: str
    finish_reason: str  # "stop" or "length"
    prompt_tokens: int
    completion_tokens: int


class PromptTooLong(BadInput):
    """A prompt that leaves no room in the model's context. `index` is its place in the batch."""

    def __init__(self, index: int, message: str):
        super().__init__(message)
        self.index = index


class Sampler(Protocol):
    """What answers chat messages."""

    def sample(self, prompts: Sequence[Messages], sampling: Sampling, seed: int) -> list[Completion]:
        """One response for each prompt, the same ones for the same seed."""


def batch_seed(seed: int, model: str, adapter: str, batch: int) -> int:
    """The seed of a batch, 63 bits of a SHA-256 of what it belongs to: batches do not share random numbers."""
    digest = hashlib.sha256(json.dumps([seed, model, adapter, batch]).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def generate_traces(
    sampler: Sampler,
    problems: Sequence[Problem],
    out_path: str | Path,
    sampling: Sampling,
    *,
    model: str,
    adapter: str = "",
    prompt_style: str = "zero_shot",
    system: str | None = None,
    template: str | None = None,
    examples: Sequence[tuple[str, str]] = (),
    progress: bool = True,
) -> Path:
    """Sample `sampling.samples` responses to each problem, grade them and append them to the JSONL `out_path`.

    `model` and `adapter` are the names that the traces carry. Safe to kill: the requests lie in a fixed order in fixed
    batches, each with its own seed, so the next call samples a cut batch again, appends what is missing and goes on,
    and the file comes out the same byte for byte. With everything on disk nothing is sampled or written. Returns the
    path. Raises BadInput for a prompt that is longer than the model's context, naming the problem.
    """
    from longcot.grading import grade

    out_path = Path(out_path)
    # A batch runs until its longest response ends, so problems that take traces of like length share one: those of one
    # level, then of one subject, then with prompts of like length, which also keeps padding small.
    order = sorted(problems, key=lambda one: (one.level or "", one.subject or "", -len(one.problem)))
    requests = [(problem, sample) for problem in order for sample in range(sampling.samples)]
    wanted = {(problem.id, sample, "") for problem, sample in requests}
    if out_path.is_file() and wanted <= {trace.key for trace in read_traces(out_path)}:
        return out_path
    name = f"{out_path.parent.name}/{out_path.stem}"
    with (
        TraceWriter(out_path) as writer,
        tqdm(total=len(requests), desc=name, unit="trace", disable=not progress) as bar,
    ):
        bar.update(len(wanted & writer.done))
        bar.unpause()  # what an earlier run did says nothing about this run's rate
        for number, start in enumerate(range(0, len(requests), sampling.batch_size)):
            batch = requests[start : start + sampling.batch_size]
            if all((problem.id, sample, "") in writer.done for problem, sample in batch):
                continue
            prompts = [
                build_messages(prompt_style, problem, system=system, template=template, examples=examples)
                for problem, _ in batch
            ]
            try:
                completions = sampler.sample(prompts, sampling, batch_seed(sampling.seed, model, adapter, number))
            except PromptTooLong as error:
                raise BadInput(f"problem {batch[error.index][0].id!r}: {error}") from None
            traces = [
                Trace(
                    problem_id=problem.id,
                    sample=sample,
                    problem=problem.problem,
                    expected_answer=problem.expected_answer,
                    model=model,
                    adapter=adapter,
                    prompt_style=prompt_style,
                    text=done.text,
                    finish_reason=done.finish_reason,
                    prompt_tokens=done.prompt_tokens,
                    completion_tokens=done.completion_tokens,
                )
                for (problem, sample), done in zip(batch, completions, strict=True)
            ]
            bar.update(writer.append(grade(traces)))
    return out_path
