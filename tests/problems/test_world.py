import random
import re

import pytest

from longcot.grading.extraction import extract_answer
from longcot.problems.miniature.families import FAMILIES
from longcot.problems.miniature.world import LEVELS, World
from longcot.problems.sources import load_problems


def value(expression: str) -> int:
    """Work out a step such as `7*46=322, +4=326, -291=` from its parts, without eval."""
    total = 0
    for part in re.findall(r"[^,]+", re.sub(r"^(?:odd|even|\d+ in|\d+ out), ", "", expression)):
        left = part.strip().rstrip("=").split("=")[0]
        if left[0] in "+-*" and not left[1:].strip("0123456789"):
            number = int(left[1:])
            total = total + number if left[0] == "+" else total - number if left[0] == "-" else total * number
        else:
            a, sign, b = re.fullmatch(r"(\d+)([-+*/])(\d+)", left).groups()
            a, b = int(a), int(b)
            total = {"+": a + b, "-": a - b, "*": a * b, "/": a // max(b, 1)}[sign]
    return total


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_step_is_right(family, seed):
    world, rng = World(seed), random.Random(0)
    for level in LEVELS:
        for _ in range(50):
            draft = FAMILIES[family](rng, rng.randint(*LEVELS[level]), world.words)
            assert all(value(step.expression) == step.result >= 0 for step in draft.steps), draft


def test_all_ways_to_answer_agree():
    for solved in World(1).split("test"):
        for text in (solved.long, solved.short, solved.direct):
            assert extract_answer(text) == solved.problem.expected_answer


def test_train_and_test_are_disjoint_by_construction():
    world, rng = World(1), random.Random(0)
    for family in FAMILIES:
        train, test = (
            {world.draw(rng, split, family, "1").problem.problem for _ in range(1000)} for split in ("train", "test")
        )
        assert train and test and not train & test


def test_splits_are_even_and_worlds_differ():
    problems = load_problems("miniature:test")
    cells = [(problem.subject, problem.level) for problem in problems]
    assert len(problems) == 128 and {cells.count(cell) for cell in cells} == {4}
    assert load_problems("miniature:test") == problems
    for other in ("miniature:test@2", "miniature:train"):
        assert not {problem.problem for problem in problems} & {problem.problem for problem in load_problems(other)}


def test_a_slip_is_noticed_and_redone():
    rng, world = random.Random(3), World(1)
    texts = [world.draw(rng, "train", level="4").long for _ in range(200)]
    slips = [line for text in texts for line in text.split("\n") if re.search("redo|slipped|wrong", line)]
    assert len(slips) > 20
    for line in slips:
        wrong, right = re.findall(r"(\d+)\.", line)
        assert wrong != right
