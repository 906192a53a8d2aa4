"""The miniature's annotator: worked solutions of training problems in four stages, a stand-in for people's.

The rows have the fields of nvidia/Nemotron-Math-HumanReasoning, whose people wrote each of 50 solutions in four
refinement stages. What was refined is not public beyond the mean length, which grew from stage to stage in the card's
first table (2,679, 2,840 and 3,088 for three of them). So the stages here are our own, each with more of what makes a
trace long: bare results, worked steps, a guess that is doubted, slips and checks.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from longcot.problems.miniature.families import Draft, Step
from longcot.problems.miniature.world import CHECKS, NOTICES, OPENINGS, World, slip
from longcot.problems.problem import Problem

Writer = Callable[[random.Random, Draft], str]

PROBLEMS = 50  # as many as the data set has
SOURCE = "program-written stand-in for human annotators"
CHECK_EVERY = 4  # steps, in the last stage


def step_line(step: Step) -> str:
    return f"{step.label}: {step.expression}{step.result}."


def closing(draft: Draft) -> str:
    return f"The answer is \\boxed{{{draft.steps[-1].result}}}."


def checked_line(rng: random.Random, step: Step) -> str:
    return f"{rng.choice(CHECKS)} {step_line(step)} Yes."


def doubted_guess(rng: random.Random, draft: Draft) -> str:
    """A way that is tried and left: the answer without the work."""
    guess = slip(rng, draft.steps[-1].result)
    return f"{draft.plan} The answer is {guess}? Hmm, let me work through this carefully, step by step."


def terse(rng: random.Random, draft: Draft) -> str:
    """The plan and the bare results."""
    return "\n".join([draft.plan, *(f"{step.label}: {step.result}." for step in draft.steps), closing(draft)])


def worked(rng: random.Random, draft: Draft) -> str:
    """Every step with its expression."""
    return "\n".join([rng.choice(OPENINGS), *map(step_line, draft.steps), closing(draft)])


def explored(rng: random.Random, draft: Draft) -> str:
    """A guess that is doubted, then every step and a check of the last."""
    lines = [doubted_guess(rng, draft), *map(step_line, draft.steps), checked_line(rng, draft.steps[-1])]
    return "\n".join([*lines, closing(draft)])


def check_due(number: int, draft: Draft) -> bool:
    """Whether step `number`, from 0, is one on the way after which the last stage checks."""
    return (number + 1) % CHECK_EVERY == 0 and number + 1 < len(draft.steps)


def doubted(rng: random.Random, draft: Draft) -> str:
    """The same with a slip that is noticed and redone, and with checks on the way."""
    wrong = rng.randrange(len(draft.steps))
    lines = [doubted_guess(rng, draft)]
    for number, step in enumerate(draft.steps):
        line = step_line(step)
        if number == wrong:
            line = f"{step.label}: {step.expression}{slip(rng, step.result)}. {rng.choice(NOTICES)} {line}"
        lines.append(line)
        if check_due(number, draft):
            lines.append(checked_line(rng, step))
    return "\n".join([*lines, checked_line(rng, draft.steps[-1]), closing(draft)])


STAGES: dict[str, Writer] = {
    "human_stage1": terse,
    "human_stage2": worked,
    "human_stage3": explored,
    "human_stage4": doubted,
}


def written(world: World, count: int, kinds: Mapping[str, Writer], seed: str) -> Iterator[tuple[Problem, str, str]]:
    """(problem, kind, solution) of each kind of each of the first `count` training problems, problem by problem.

    Each solution draws from a seed of its own, `seed` with {world}, {problem} and {kind} filled in.
    """
    for solved in world.split("train")[:count]:
        for kind, write in kinds.items():
            rng = random.Random(seed.format(world=world.seed, problem=solved.problem.id, kind=kind))
            yield solved.problem, kind, write(rng, solved.draft)


def annotate(world: World) -> list[dict[str, Any]]:
    """The rows of `miniature:annotated`: each stage of the first `PROBLEMS` training problems, problem by problem.

    `problem, solution, solution_type, expected_answer` as in the Hub's data set, and `source`, which says what they
    are. The same rows for the same world.
    """
    return [
        {
            "problem": problem.problem,
            "solution": solution,
            "solution_type": stage,
            "expected_answer": problem.expected_answer,
            "source": SOURCE,
        }
        for problem, stage, solution in written(world, PROBLEMS, STAGES, "longcot annotator {world} {problem} {kind}")
    ]
