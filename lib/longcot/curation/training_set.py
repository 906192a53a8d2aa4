"""A training set: rows in the conversational form that trainers read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.rows import json_rows
from longcot.files.writing import write_whole
from longcot.problems.problem import Problem
from longcot.problems.prompts import build_messages
from longcot.traces.properties import split_thinking
from longcot.traces.trace import Trace

EMPTY = "<think>\n\n</think>\n\n"


def training_rows(
    chosen: Sequence[Trace],
    problems: dict[str, Problem],
    pass_rates: dict[str, float],
    template: str | None,
    system: str | None,
    empty_thoughts: bool = False,
) -> list[dict[str, Any]]:
    """Rows in the conversational form that trainers read: `messages`, then the properties of the chosen trace.

    `pass_rates` are the base model's on the training problems: a problem's difficulty for it (None where unknown). With
    `empty_thoughts` a trace that marks no thoughts has an empty block of them first, as Qwen3's template would put it.
    """
    rows = []
    for trace in chosen:
        problem = problems.get(trace.problem_id) or Problem(
            id=trace.problem_id, problem=trace.problem, expected_answer=trace.expected_answer
        )
        messages = build_messages("zero_shot", problem, system=system, template=template)
        bare = empty_thoughts and split_thinking(trace.text)[0] is None
        rows.append(
            {
                "messages": [*messages, {"role": "assistant", "content": (EMPTY if bare else "") + trace.text}],
                "problem": problem.problem,
                "problem_id": trace.problem_id,
                "sample": trace.sample,
                "model": " with ".join(filter(None, (trace.model, trace.adapter))),
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


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a training set. Raises BadInput where there is none, or one without an assistant's message."""
    rows = []
    for number, row in json_rows(path):
        messages = row.get("messages")
        turns = messages if isinstance(messages, list) else []
        if not turns or not all(
            isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
            for turn in turns
        ):
            raise BadInput(
                f"{display_path(path)}:{number}: no messages with role and content; give a training set of notebook 02"
            )
        if turns[-1]["role"] != "assistant":
            raise BadInput(
                f"{display_path(path)}:{number}: the last message is not the assistant's; give it one to learn from"
            )
        rows.append(row)
    if not rows:
        raise BadInput(f"{display_path(path)}: no row in it; curate at least one trace")
    return rows
