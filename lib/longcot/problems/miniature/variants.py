"""The same solutions written in several ways, each differing from another in one thing: for studies of curation.

Stand-ins for what real traces differ in. A person or a model that writes shorter, checks or slips differs in more than
that; here nothing else does, so that an effect is that of the one thing.
"""

import random
from typing import Any

from longcot.problems.miniature.annotator import (
    Writer,
    check_due,
    checked_line,
    closing,
    doubted_guess,
    step_line,
    terse,
    worked,
    written,
)
from longcot.problems.miniature.families import Draft
from longcot.problems.miniature.world import NOTICES, World, slip

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


def planned(rng: random.Random, draft: Draft) -> str:
    """`worked` with the plan in the place of the opening."""
    return "\n".join([draft.plan, *worked(rng, draft).split("\n")[1:]])


def guessed(rng: random.Random, draft: Draft) -> str:
    """`worked` with a guess that is doubted in the place of the opening, as in the annotator's last stages."""
    lines = worked(rng, draft).split("\n")[1:]
    return "\n".join([doubted_guess(rng, draft), *lines])


def opened_guess(rng: random.Random, draft: Draft) -> str:
    """`worked` with the same guess after the opening."""
    opening, *lines = worked(rng, draft).split("\n")
    return "\n".join([opening, doubted_guess(rng, draft), *lines])


def checked_on_the_way(rng: random.Random, draft: Draft) -> str:
    """`worked` with the annotator's checks on the way, none at the end."""
    opening, *lines = worked(rng, draft).split("\n")
    for number, step in reversed(list(enumerate(draft.steps))):
        if check_due(number, draft):
            lines.insert(number + 1, checked_line(rng, step))
    return "\n".join([opening, *lines])


KINDS: dict[str, dict[str, Writer]] = {
    "variants": {
        "answer": answer,
        "results": terse,
        "worked": worked,
        "checked": with_check,
        "slipped": with_slip,
    },
    "additions": {  # what the annotator's last stages add, one thing at a time
        "worked": worked,
        "planned": planned,
        "guessed": guessed,
        "opened_guess": opened_guess,
        "checked_on_the_way": checked_on_the_way,
    },
}


def variants(world: World, name: str) -> list[dict[str, Any]]:
    """The rows of `miniature:<name>`: each of its kinds of the first `PROBLEMS` training problems, problem by problem.

    `problem_id, problem, solution, variant, expected_answer` and `source`, which says what they are. The variants of a
    problem draw the same random numbers, so that they open alike. The same rows for the same world.
    """
    return [
        {
            "problem_id": problem.id,
            "problem": problem.problem,
            "solution": solution,
            "variant": variant,
            "expected_answer": problem.expected_answer,
            "source": SOURCE,
        }
        for problem, variant, solution in written(world, PROBLEMS, KINDS[name], "longcot variants {world} {problem}")
    ]
