"""Which traces to train on: filters that say what they removed, and ways to choose n."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longcot.errors import BadInput
from longcot.files import write_whole
from longcot.problems import Problem
from longcot.prompts import build_messages
from longcot.traces import Trace

FILTERS = {
    "correct": lambda trace: bool(trace.correct),
    "finished": lambda trace: trace.finish_reason != "length",
}
STRATEGIES = ("random", "balanced")


def apply_filters(traces: Sequence[Trace], names: Sequence[str]) -> tuple[list[Trace], dict[str, int]]:
    """The traces that pass every filter, in order, and how many rows each filter removed from what reached it.

    Raises BadInput for an unknown filter.
    """
    kept, removed = list(traces), {}
    for name in names:
        if name not in FILTERS:
            raise BadInput(f"filter {name!r} is not known; use {', '.join(FILTERS)}")
        passed = [trace for trace in kept if FILTERS[name](trace)]
        removed[name] = len(kept) - len(passed)
        kept = passed
    return kept, removed


def choose(
    traces: Sequence[Trace], n: int, strategy: str, seed: int, name: str, problems: Mapping[str, Problem] | None = None
) -> list[Trace]:
    """`n` of the traces, one a problem at most, the same ones for the same seed.

    `random`: problems drawn without replacement, then one of each problem's traces. `balanced`: the same within each
    subject of `problems` (by id), the subjects taken in turn in a drawn order, so that they count as evenly as the
    traces allow. `name` (the arm's) stands in errors. Raises BadInput where fewer than n problems are left, where
    `balanced` meets a problem without a subject, and for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise BadInput(f"arm {name}: strategy {strategy!r} is not known; use {', '.join(STRATEGIES)}")
    by_problem: dict[str, list[Trace]] = {}
    for trace in traces:
        by_problem.setdefault(trace.problem_id, []).append(trace)
    if len(by_problem) < n:
        raise BadInput(
            f"arm {name}: {n} traces wanted, {len(by_problem)} problems have one left after the filters; "
            "lower its n, or sample more problems or more often"
        )
    rng = random.Random(f"{strategy} {seed}")
    drawn = rng.sample(sorted(by_problem), len(by_problem))
    if strategy == "balanced":
        drawn = _in_turn(drawn, {problem: (problems or {}).get(problem) for problem in drawn}, name)
    return [rng.choice(by_problem[problem]) for problem in drawn[:n]]


def _in_turn(drawn: Sequence[str], problems: Mapping[str, Problem | None], name: str) -> list[str]:
    """The problems in their order, but the first of each subject before the second of any."""
    seen: Counter[str] = Counter()
    turns = []
    for position, problem in enumerate(drawn):
        subject = problems[problem].subject if problems[problem] else None
        if subject is None:
            raise BadInput(f"arm {name}: problem {problem} has no subject to balance over; use strategy random")
        turns.append((seen[subject], position, problem))
        seen[subject] += 1
    return [problem for _, _, problem in sorted(turns)]


def training_rows(
    chosen: Sequence[Trace],
    problems: dict[str, Problem],
    pass_rates: dict[str, float],
    template: str | None,
    system: str | None,
) -> list[dict[str, Any]]:
    """Rows in the conversational form that trainers read: `messages`, then the properties of the chosen trace.

    `pass_rates` are the base model's on the training problems: a problem's difficulty for it (None where unknown).
    """
    rows = []
    for trace in chosen:
        problem = problems.get(trace.problem_id) or Problem(
            id=trace.problem_id, problem=trace.problem, expected_answer=trace.expected_answer
        )
        messages = build_messages("zero_shot", problem, system=system, template=template)
        rows.append(
            {
                "messages": [*messages, {"role": "assistant", "content": trace.text}],
                "problem": problem.problem,
                "problem_id": trace.problem_id,
                "sample": trace.sample,
                "model": trace.model,
                "subject": problem.subject,
                "level": problem.level,
                "completion_tokens": trace.completion_tokens,
                "base_pass_rate": pass_rates.get(trace.problem_id),
                "correct": trace.correct,
            }
        )
    return rows


def write_training_set(path: str | Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows as JSONL, whole or not at all."""
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
