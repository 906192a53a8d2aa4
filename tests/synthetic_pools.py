"""Pools of traces as teachers leave them, made up: for tests of what is curated from them."""

import random
from pathlib import Path
from typing import Any

from longcot.grading.grade import grade
from longcot.problems.problem import Problem
from longcot.traces.trace import Trace, write_traces

SUBJECTS, LEVELS = ("sums", "shapes", "roots", "coins"), ("1", "2", "3")
LOOP = "and so it goes on and on from here to there " * 8
FILTERS = ["finished", "correct", "no_loop", {"length": {"low": 3, "unit": "words"}}]


def make_problems(path: Path) -> list[Problem]:
    """48 problems of four subjects and three levels, written as JSONL."""
    problems = [
        Problem(id=f"p{i}", problem=f"Problem {i} of {SUBJECTS[i % 4]}: <b>what</b> is {i} + {i}?",
                expected_answer=str(2 * i), subject=SUBJECTS[i % 4], level=LEVELS[i // 4 % 3])
        for i in range(48)
    ]  # fmt: skip
    path.write_text("".join(problem.model_dump_json(exclude_none=True) + "\n" for problem in problems))
    return problems


def make_teacher(folder: Path, name: str, problems: list[Problem], share: float, steps: int, **fields: Any) -> None:
    """A teacher's graded traces, two of each problem, right by `share`, one in sixteen looping."""
    rng = random.Random(name)
    traces = []
    for number, problem in enumerate(problems):
        for sample in range(2):
            right = rng.random() < share
            lines = [f"then add {rng.randint(1, 999)} more to the sum\n" for _ in range(rng.randint(1, steps))]
            text = "Let me check this. Perhaps it is so. " + "".join(lines)
            text += LOOP if (number + sample) % 16 == 0 and steps > 1 else ""
            text += f"\\boxed{{{problem.expected_answer if right else rng.randint(200, 300)}}}"
            given = {"finish_reason": "length" if number in (5, 6, 7) else "stop"} | fields
            traces.append(
                Trace(problem_id=problem.id, sample=sample, problem=problem.problem, model=name, text=text,
                      expected_answer=problem.expected_answer, **given)
            )  # fmt: skip
    write_traces(folder / "traces" / name / "training.jsonl", grade(traces))


def make_task(name: str, teacher: str, n: int = 6, condition: dict[str, str] | None = None, **data: Any) -> dict:
    """An arm as a CurateTask of notebook 02; `data` is what it says of its choice in place of the values here."""
    choice = {"teacher": teacher, "n": n, "seed": 1, "filters": FILTERS, "unit": "words"} | data
    files = {"traces": f"traces/{teacher}/training.jsonl", "training_set": f"training_sets/{name}.jsonl"}
    return {"name": name, **files, "data": choice, "condition": condition or {}}


def make_pools(folder: Path) -> dict[str, Any]:
    """A run directory with three teachers' traces; returns the parameters of notebook 02."""
    problems = make_problems(folder / "problems.jsonl")
    make_teacher(folder, "long", problems, 0.8, 12)
    make_teacher(folder, "short", problems[:40], 0.5, 1)
    make_teacher(folder, "base", problems, 0.3, 1)
    tasks = [
        make_task("long-a", "long", condition={"length": "long"}),
        make_task("long-b", "long", seed=2, condition={"length": "long"}),
        make_task("long-hard", "long", strategy="hardest"),
        make_task("short-easy", "short", filters=["correct", {"only": {"level": ["1"]}}], n=3),
        make_task("short-hard", "short", filters=["correct", {"only": {"level": ["3"]}}], n=3),
    ]
    return {
        "run_dir": str(folder),
        "problems": {"source": str(folder / "problems.jsonl")},
        "tasks": tasks,
        "difficulty_traces": "traces/base/training.jsonl",
    }
