"""A run directory as sampling and training leave it, made up: for tests of what is drawn from it."""

import json
import random
from pathlib import Path
from typing import Any

from longcot.figures.results import Result, read_results
from longcot.figures.task import PlotTask
from longcot.files.strict import parse_all
from longcot.grading.grade import grade
from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems
from longcot.traces.trace import Trace, write_traces

# name, model, n_train, data, share correct, typical tokens
ARMS = [
    ("base", "base", 0, "", 0.08, 20),
    ("base-few-shot", "base", 0, "reasoner", 0.06, 60),
    ("instruct", "instruct", 0, "", 0.16, 30),
    ("reasoner", "reasoner", 0, "", 0.85, 220),
    ("reasoner-20-a", "base", 20, "reasoner", 0.66, 190),
    ("reasoner-20-b", "base", 20, "reasoner", 0.61, 200),
    ("reasoner-20-c", "base", 20, "reasoner", 0.7, 205),
    ("instruct-20", "base", 20, "instruct", 0.1, 28),
    ("reasoner-1", "base", 1, "reasoner", 0.2, 150),
    ("reasoner-5", "base", 5, "reasoner", 0.45, 180),
    ("reasoner-50", "base", 50, "reasoner", 0.78, 210),
]
SUBJECTS = ("recurrence", "power", "total", "nested", "multiples", "products", "orders", "digits")
HOSTILE = "<script src='https://example.com/x.js'></script> <img src='https://example.com/x.png'> \x1b[31m**$x$**"


def make_problems(path: Path, count: int = 64) -> list[Problem]:
    """A benchmark of four levels and eight subjects, written as JSONL."""
    problems = [
        Problem(
            id=f"p{i}",
            problem=f"Problem {i}: what comes next?",
            expected_answer=str(i),
            subject=SUBJECTS[i % 8],
            level=str(1 + i // 8 % 4),
        )
        for i in range(count)
    ]
    path.write_text("".join(problem.model_dump_json(exclude_none=True) + "\n" for problem in problems))
    return problems


def make_arm(folder: Path, arm: tuple, problems: list[Problem], samples: int = 4) -> dict[str, Any]:
    """One arm's graded traces and, where it is trained, its loss log; returns it as a PlotTask of notebook 04."""
    name, model, n_train, data, share, tokens = arm
    rng = random.Random(name)
    traces = []
    for problem in problems:
        for sample in range(samples):
            right = rng.random() < share * (1.35 - 0.15 * int(problem.level))
            cut = rng.random() < 0.08 * (tokens > 100)
            answer = problem.expected_answer if right else str(rng.randint(100, 104))
            text = f"Step by step. {HOSTILE}\n" * 3 + "Let me double-check. " * (tokens > 100)
            text += f"The answer is \\boxed{{{answer}}}."
            traces.append(
                Trace(
                    problem_id=problem.id,
                    sample=sample,
                    problem=problem.problem,
                    expected_answer=problem.expected_answer,
                    model=model,
                    text=text,
                    finish_reason="length" if cut else "stop",
                    prompt_tokens=30,
                    completion_tokens=512 if cut else max(2, int(rng.lognormvariate(0, 0.35) * tokens)),
                )
            )
    write_traces(folder / "traces" / name / "benchmark.jsonl", grade(traces))
    if n_train:
        adapter = folder / "adapters" / name
        adapter.mkdir(parents=True)
        _write_training_set(folder / f"training_sets/{name}.jsonl", n_train, rng)
        steps = 15 * -(-n_train // 4)
        rows = [
            f"{i},{15 * i / steps:g},{(1.6 * 2.7 ** (-i / 15) + 0.2) * rng.uniform(0.9, 1.1):g},0.001,0.5\n"
            for i in range(1, steps + 1)
        ]
        (adapter / "loss.csv").write_text("step,epoch,loss,learning_rate,grad_norm\n" + "".join(rows))
    return {
        "name": name,
        "model": model,
        "n_train": n_train,
        "data": data,
        "traces": f"traces/{name}/benchmark.jsonl",
        "adapter": f"adapters/{name}" if n_train else "",
        "training_set": f"training_sets/{name}.jsonl" if n_train else "",
    }


def _write_training_set(path: Path, n: int, rng: random.Random) -> None:
    """`n` chosen traces as notebook 02 leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(n):
        words = " ".join(rng.choices(("so", "then", "add", "take", "nine", "two"), k=rng.randint(20, 60)))
        turns = [{"role": "user", "content": f"Problem {i}"}, {"role": "assistant", "content": words}]
        rows.append(
            {"messages": turns, "level": str(i % 4 + 1), "base_pass_rate": i % 5 / 4, "completion_tokens": 90 + i}
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_study(folder: Path, arms: list[tuple] = ARMS, count: int = 64, samples: int = 4) -> dict[str, Any]:
    """A whole run directory; returns the parameters of notebook 04."""
    problems = make_problems(folder / "problems.jsonl", count)
    tasks = [make_arm(folder, arm, problems, samples) for arm in arms]
    manifest = {
        "file": tasks[0]["traces"],
        "sha256": "0" * 64,
        "parameters": {"temperature": 0.6},
        "inputs": {},
        "packages": {"torch": "2.13.0"},
        "python": "3.11.7",
        "git": {"commit": "c" * 40, "dirty": False},
        "machine": {"system": "Linux x86_64", "cores": 2, "memory_gb": 24},
        "seconds": 12.5,
        "peak_memory_mb": 900,
        "finished_at": "2025-01-01T00:00:00Z",
    }
    (folder / (tasks[0]["traces"] + ".manifest.json")).write_text(json.dumps(manifest))
    return {
        "run_dir": str(folder),
        "study": "A made-up study",
        "tasks": tasks,
        "problems": {"source": str(folder / "problems.jsonl")},
        "main_arm": arms[0][0],
        "deviations": ["Everything here is made up."],
    }


def read_study(parameters: dict[str, Any]) -> list[Result]:
    """The results of a made-up study, as notebook 04 reads them."""
    tasks, problems = parse_all(PlotTask, parameters["tasks"], "tasks"), load_problems(**parameters["problems"])
    return read_results(parameters["run_dir"], tasks, problems, parameters["main_arm"])
