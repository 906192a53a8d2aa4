"""The same solutions written in several ways, each differing from another in one thing: for studies of curation.

Stand-ins for what real traces differ in. A person or a model that writes shorter, checks or slips differs in more than
that; here nothing else does, so that an effect is that of the one thing.
"""

import random
from typing import Any

from longcot.miniature.annotator import Writer, checked_line, closing, step_line, terse, worked, written
from longcot.miniature.families import Draft
from longcot.miniature.world import NOTICES, World, slip

PROBLEMS = 256  # the first of the training split, which the studies sample too
SOURCE = "program-written variants of one solution"


def answer(rng: random.Random, draft: Draft) -> str:
    """The plan and the answer, no step: what the instruct model writes."""
    return f"{draft.plan} {closing(draft)}"


def with_check(rng: random.Random, draft: Draft) -> str:
    """`worked` with the last step done again before the answer: one line more."""
    *lines, last = worked(rng, draft).split("\n")
    return "\n".join([*lines, checked_line(rng, draft.steps[-1]), last])


def with_slip(rng: random.Random, draft: Draft) -> str:
    """`worked` with one step wrong at first, noticed and done again: about as long as `with_check`."""
    lines = worked(rng, draft).split("\n")
    number = rng.randrange(len(draft.steps))
    step = draft.steps[number]
    wrong = f"{step.label}: {step.expression}{slip(rng, step.result)}."
    lines[1 + number] = f"{wrong} {rng.choice(NOTICES)} {step_line(step)}"
    return "\n".join(lines)


VARIANTS: dict[str, Writer] = {
    "answer": answer,
    "results": terse,
    "worked": worked,
    "checked": with_check,
    "slipped": with_slip,
}


def variants(world: World) -> list[dict[str, Any]]:
    """The rows of `miniature:variants`: each variant of the first `PROBLEMS` training problems, problem by problem.

    `problem_id, problem, solution, variant, expected_answer` and `source`, which says what they are. The variants of a
    problem draw the same random numbers, so that they open alike. The same rows for the same world.
    """
    return [
        {
            "problem_id": problem.id,
            "problem": problem.problem,
            "solution": solution,
            "variant": name,
            "expected_answer": problem.expected_answer,
            "source": SOURCE,
        }
        for problem, name, solution in written(world, PROBLEMS, VARIANTS, "longcot variants {world} {problem}")
    ]
