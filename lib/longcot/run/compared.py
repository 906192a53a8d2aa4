"""A fine-tuned arm of a run, to be compared with its base on traces: what notebook 06 starts from."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from longcot.files.errors import BadInput, advice
from longcot.files.manifest import status
from longcot.files.paths import display_path
from longcot.files.run_directory import adapter, benchmark_traces, located
from longcot.models.adapter import check_base
from longcot.models.chat import turn_end
from longcot.models.sampled_base import sampled_base
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages
from longcot.qlora.tokens import IGNORED, tokenize
from longcot.run.arguments import study_in
from longcot.run.tasks import benchmark_task
from longcot.sampling.settings import SampleTask
from longcot.sampling.steered import SteeredSampler
from longcot.traces.trace import Trace, read_traces


@dataclass(frozen=True)
class Compared:
    """An arm whose adapter is compared with its base, and the traces, one a problem, on which it is.

    `task` is how the arm is sampled on the benchmark, `source` the file of the traces, `shares` those of the
    tokens that the adapter is to choose.
    """

    run: Path
    arm: str
    adapter: Path
    task: SampleTask
    source: Path
    traces: list[Trace]
    shares: tuple[float, ...]
    threads: int

    @property
    def folder(self) -> Path:
        """Where the tables go."""
        return self.run / located(self.arm)

    @cached_property
    def problems(self) -> list[Problem]:
        """The problems of the traces."""
        return [
            Problem(id=one.problem_id, problem=one.problem, expected_answer=one.expected_answer) for one in self.traces
        ]

    def messages(self, problem: Problem) -> list[dict[str, str]]:
        """How the problem is put to the arm."""
        return build_messages(self.task.prompt_style, problem, **self.task.prompt.wording)

    @cached_property
    def sampler(self) -> SteeredSampler:
        """The base with the adapter beside it, loaded once. Raises BadInput for an adapter of another base."""
        check_base(self.adapter, self.task.base.path)
        base, dtype = sampled_base(self.task.base, self.task.dtype, self.run)
        which = self.task.base.at | ({"revision": ""} if Path(base).is_dir() else {})
        sampler = SteeredSampler(base, dtype, threads=self.threads, **which)
        sampler.use_template(self.task.prompt.chat_template)
        sampler.use_adapter(self.adapter, self.task.context)
        return sampler

    def tokens(self, number: int) -> tuple[list[int], int]:
        """(tokens of prompt and response, place of the response's first) of one of the traces.

        What was written is cut into tokens anew, which may differ from those that were sampled. A trace that came to
        no end has none. Raises BadInput where the chat template cannot give the trace.
        """
        trace, tokenizer = self.traces[number], self.sampler.tokenizer
        said = [*self.messages(self.problems[number]), {"role": "assistant", "content": trace.text}]
        try:
            ids, labels = tokenize(said, tokenizer)
        except BadInput as error:
            raise BadInput(f"{display_path(self.source)}: {trace.problem_id}: {error}") from None
        if trace.truncated:
            ids = ids[: -len(tokenizer(turn_end(tokenizer), add_special_tokens=False)["input_ids"])]
        return ids, next(place for place, label in enumerate(labels) if label != IGNORED)


def compared(
    run_dir: Path,
    arm: str,
    traces: str = "",
    problems: int = 32,
    shares: Sequence[float] = (),
    seed: int = 0,
    threads: int = 1,
    max_tokens: int = 0,
) -> Compared:
    """What is to be compared of a fine-tuned arm of a run: on the benchmark traces of `traces`, its own by default.

    The first sample of each of at most `problems` problems, drawn by the seed. `max_tokens` of a response are the
    study's where it is 0. Raises BadInput where the arm, its adapter or the traces are not there, and for shares
    that are none.
    """
    study = study_in(run_dir)
    with_adapter = {one.name: one for one in study.arms if study.adapter_of(one)}
    if (found := with_adapter.get(arm)) is None:
        what = "is not fine-tuned, and has no adapter" if arm in {one.name for one in study.arms} else "is not there"
        raise BadInput(f"{display_path(run_dir)}: arm {arm} {what}; {advice(arm, with_adapter)}")
    if status(run_dir / adapter(found.checkpoint.of if found.checkpoint else arm)) != "done":
        raise BadInput(
            f"{display_path(run_dir)}: no finished adapter of {arm} in it (a run that is shipped has none); run the "
            "study first (longcot run)"
        )
    reported = [one.name for one in study.arms if one.reported]
    if traces and traces not in reported:
        raise BadInput(f"traces: no arm {traces!r} with benchmark traces; {advice(traces, reported)}")
    if wrong := [share for share in shares if not 0 < share < 1]:
        raise BadInput(f"shares: {wrong[0]} is no share of tokens; give numbers between 0 and 1, as 0.05")
    source, firsts = run_dir / benchmark_traces(traces or arm), {}
    for trace in sorted(read_traces(source), key=lambda one: one.sample):
        if trace.text.strip() and not trace.stage:
            firsts.setdefault(trace.problem_id, trace)
    if not firsts or problems < 1:
        raise BadInput(f"{display_path(source)}: no trace to compare on; give at least one, and problems of at least 1")
    names = sorted(random.Random(seed).sample(sorted(firsts), min(problems, len(firsts))))
    task = benchmark_task(study, found)
    own = {"seed": seed, "samples": 1} | ({"max_tokens": max_tokens} if max_tokens else {})
    # In process wherever the study samples it: no server shows what two models make of each token.
    changes = {"sampling": task.sampling.model_copy(update=own), "server": None, "engine": None}
    task = task.model_copy(update=changes)
    return Compared(
        run_dir,
        arm,
        run_dir / study.adapter_of(found),
        task,
        source,
        [firsts[name] for name in names],
        tuple(shares),
        threads,
    )
