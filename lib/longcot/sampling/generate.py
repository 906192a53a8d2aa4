"""Sampling: problems in, graded traces out, the same call for every kind of sampler."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tqdm import tqdm

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.problems import prompts
from longcot.problems.problem import Problem
from longcot.sampling.live import Curves
from longcot.sampling.prefill import Given
from longcot.sampling.requests import EMPTY, OVERFLOW, Completion, Messages, Request, Sampler
from longcot.sampling.settings import Sampling
from longcot.traces.trace import Trace, TraceWriter, iter_traces


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
    edits: Sequence[str] = (),
    given: Given | None = None,
    progress: bool = True,
    curves: Curves | None = None,
) -> Path:
    """Sample `sampling.samples` responses to each problem, grade them and append them to the JSONL `out_path`.

    `model` and `adapter` are the names that the traces carry. `given` says what each response begins with. Each pass of
    `edits` follows when the one before is whole: every trace of that one, cut ones too, is given back with the pass's
    instruction, and the response is a trace of its own, `stage` the pass and `parent` the stage before. A trace without
    text has no such child. `curves` show how many are correct as they come. Safe to kill: the next call asks for what
    is missing only. Returns the path. Raises BadInput where samples cannot be had, or where in a whole stage no prompt
    fits the model's context.
    """
    out_path = Path(out_path)
    # A batch runs until its longest response ends, so problems that take traces of like length share one: those of one
    # level, then of one subject, then with prompts of like length, which also keeps padding small.
    order = sorted(problems, key=lambda one: (one.level or "", one.subject or "", -len(one.problem)))
    how = {"system": system, "template": template, "examples": examples}
    first = [
        Request(problem, sample, "", "", _begun(messages, given, problem, sample))
        for problem in order
        for messages in [prompts.build_messages(prompt_style, problem, **how)]
        for sample in range(sampling.samples)
    ]
    names = {"model": model, "adapter": adapter}
    name = f"{out_path.parent.name}/{out_path.stem}"
    with (
        TraceWriter(out_path) as writer,
        # Arms side by side share a line: places below each other are moves of a cursor, of which logs keep each.
        tqdm(total=len(first) * (1 + len(edits)), desc=name, unit="trace", position=0, disable=not progress) as bar,
    ):
        bar.update(len(writer.done))
        bar.unpause()  # what an earlier run did says nothing about this run's rate
        shared = (writer, bar, sampling, prompt_style, names, curves)
        _sample_stage(sampler, first, *shared)
        for before, edit in pairwise(["", *edits]):
            texts = {trace.key: trace.text for trace in iter_traces(out_path) if trace.stage == before}
            requests = [
                Request(one.problem, one.sample, edit, before, messages)
                for one in first
                if (text := texts.get((one.problem.id, one.sample, before)))
                for messages in [prompts.edit_messages(edit, one.problem, text, system=system)]
            ]
            _sample_stage(sampler, requests, *shared)
    return out_path


def _begun(messages: Messages, given: Given | None, problem: Problem, sample: int) -> Messages:
    """The messages with what is given of the response at their end."""
    return [*messages, {"role": "assistant", "content": given(problem.id, sample)}] if given else messages


def _sample_stage(
    sampler: Sampler,
    requests: Sequence[Request],
    writer: TraceWriter,
    bar: tqdm,
    sampling: Sampling,
    prompt_style: str,
    names: dict[str, str],
    curves: Curves | None,
) -> None:
    """Sample one stage's requests as far as they are not on disk, and append the graded traces as they come."""
    if not requests:
        return
    on_disk = (trace for trace in iter_traces(writer.path) if trace.stage == requests[0].stage)
    fits = any(trace.finish_reason not in (OVERFLOW, EMPTY) for trace in on_disk)
    if curves:
        curves.count(trace for trace in iter_traces(writer.path) if trace.stage == requests[0].stage)
    held: list[tuple[Request, Completion]] = []  # marks wait until one response is seen to be none

    def write() -> None:
        graded = grade_responses(held, prompt_style, names)
        bar.update(writer.append(graded))
        if curves:
            curves.add(graded)
        held.clear()

    if not writer.done.issuperset(one.key for one in requests):
        try:
            for arrived in sampler.responses(requests, writer.done, sampling, **names):
                held += arrived
                fits = fits or any(completion.finish_reason not in (OVERFLOW, EMPTY) for _, completion in arrived)
                if fits:
                    write()
        except Exception:
            held[:] = [pair for pair in held if fits or pair[1].finish_reason != EMPTY]
            write()
            raise
    if any(completion.finish_reason == EMPTY for _, completion in held):
        raise BadInput(
            f"{display_path(writer.path)}: not one of the {len(requests)} responses of stage "
            f"{requests[0].stage!r} has text "
            f"({held[0][0].problem.id} sample {held[0][0].sample}, …); see to how the server parts thoughts from it"
        )
    if not fits:
        raise BadInput(
            f"{display_path(writer.path)}: not one of the {len(requests)} prompts of stage "
            f"{requests[0].stage!r} leaves room "
            "in the model's context; use fewer or shorter examples, or a model or server with a longer context"
        )


def grade_responses(
    pairs: Sequence[tuple[Request, Completion]], prompt_style: str, names: dict[str, str]
) -> list[Trace]:
    """The graded traces of requests and their responses; `names` holds `model` and `adapter`."""
    from longcot.grading.grade import grade

    return grade(
        [
            Trace(
                problem_id=request.problem.id,
                sample=request.sample,
                problem=request.problem.problem,
                expected_answer=request.problem.expected_answer,
                **names,
                prompt_style=prompt_style,
                stage=request.stage,
                parent=request.parent,
                **vars(completion),
            )
            for request, completion in pairs
        ]
    )
