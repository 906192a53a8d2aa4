"""The miniature world: problems of eight families at four levels, and what a solver would write for each."""

import hashlib
import random
from dataclasses import dataclass
from functools import cached_property

from longcot.problems.miniature.families import FAMILIES, Draft, Step, Words
from longcot.problems.problem import Problem

LEVELS: dict[str, tuple[int, int]] = {"1": (4, 4), "2": (5, 6), "3": (7, 8), "4": (9, 10)}  # steps of a problem
SPLITS = {"train": 512, "test": 128}  # problems that `miniature:<split>` gives
TEST_SHARE = 8  # one problem in so many belongs to the test split
SLIP_RATE = 0.03  # of the steps of a long solution, how many go wrong at first

OPENINGS = (
    "Let me go step by step.",
    "Let me work through this carefully.",
    "I will take it one step at a time.",
    "First I write down every step.",
)
NOTICES = ("Wait, that is wrong:", "Hmm, let me redo this:", "No, I slipped:")
CHECKS = ("Let me check the last step.", "To be sure, I check the end again.", "Let me verify the last line.")


@dataclass(frozen=True)
class Solved:
    """A problem with the three ways to answer it, `short` naming a plan, `direct` the answer alone, and its draft."""

    problem: Problem
    long: str
    short: str
    direct: str
    draft: Draft


def slip(rng: random.Random, right: int) -> int:
    """A wrong result of the kind that hands and models make: one digit is off."""
    wrong = right + rng.choice((-10, -2, -1, 1, 2, 10))
    return wrong if wrong >= 0 else right + 1


def long_solution(rng: random.Random, steps: tuple[Step, ...]) -> str:
    """Opening, steps, now and then a slip that is noticed and redone, a last check, the box."""
    lines = [rng.choice(OPENINGS)]
    for step in steps:
        line = f"{step.label}: {step.expression}{step.result}."
        if rng.random() < SLIP_RATE:
            line = f"{step.label}: {step.expression}{slip(rng, step.result)}. {rng.choice(NOTICES)} {line}"
        lines.append(line)
    last = steps[-1]
    lines.append(f"{rng.choice(CHECKS)} {last.label}: {last.expression}{last.result}. Yes.")
    return "\n".join(lines) + f"\nThe answer is \\boxed{{{last.result}}}."


class World:
    """All that a world seed decides. Worlds of different seeds differ in moduli, words and problems."""

    def __init__(self, seed: int = 1):
        self.seed = seed

    @cached_property
    def words(self) -> Words:
        """The choices of this world's seed."""
        rng = random.Random(f"longcot world {self.seed}")
        return Words(
            moduli=tuple(sorted(rng.sample(range(61, 100, 2), 8))),  # odd ones: powers modulo even numbers soon cycle
            letter=rng.choice("uvwxyz"),
            device=rng.choice(("display", "counter", "meter", "screen")),
            person=rng.choice(("Ada", "Emmy", "Kurt", "Leo", "Mary", "Paul")),
            store=rng.choice(("store", "depot", "barn", "cellar")),
            unit=rng.choice(("boxes", "crates", "bags", "jars")),
            skipped=tuple(sorted(rng.sample(range(10), 2))),
        )

    def split_of(self, family: str, draft: Draft) -> str:
        """The split to which a problem's numbers belong: a hash decides, so no problem can be in both."""
        digest = hashlib.blake2b(f"{self.seed} {family} {draft.key}".encode(), digest_size=4).digest()
        return "test" if int.from_bytes(digest, "big") % TEST_SHARE == 0 else "train"

    def draw(self, rng: random.Random, split: str, family: str | None = None, level: str | None = None) -> Solved:
        """One solved problem of a split; family and level are drawn too where they are not given."""
        family = family or rng.choice(tuple(FAMILIES))
        level = level or rng.choice(tuple(LEVELS))
        while True:
            draft = FAMILIES[family](rng, rng.randint(*LEVELS[level]), self.words)
            if self.split_of(family, draft) == split:
                break
        answer = draft.steps[-1].result
        name = hashlib.blake2b(f"{family} {draft.key}".encode(), digest_size=5).hexdigest()
        problem = Problem.model_construct(  # no validation: pretraining draws millions
            id=f"{family}-{level}-{name}",
            problem=draft.statement,
            expected_answer=str(answer),
            source=f"miniature@{self.seed}",
            subject=family,
            level=level,
            subset=None,
        )
        direct = f"The answer is \\boxed{{{answer}}}."
        return Solved(problem, long_solution(rng, draft.steps), f"{draft.plan} {direct}", direct, draft)

    def split(self, name: str) -> list[Solved]:
        """The solved problems of `miniature:<name>`: every family and level equally often, all different."""
        rng = random.Random(f"longcot split {self.seed} {name}")
        solved: dict[str, Solved] = {}
        for _ in range(SPLITS[name] // (len(FAMILIES) * len(LEVELS))):
            for level in LEVELS:
                for family in FAMILIES:
                    drawn = self.draw(rng, name, family, level)
                    while drawn.problem.id in solved:
                        drawn = self.draw(rng, name, family, level)
                    solved[drawn.problem.id] = drawn
        return list(solved.values())
