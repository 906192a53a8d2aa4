"""The eight families of problems. Each draws its numbers and works them out, one small step after another.

A family is a function `(rng, n, words) -> Draft`: `n` is the number of steps, `words` what the world's seed chose. What
trials taught: a step must be a look-up that a small model can learn (one digit times two, a sum, the largest multiple
of a fixed modulus); each step carries its index, or the model loses count; the numbers must be so many, and the
moduli so large, that neither a table nor a cycle gives the answer without the steps.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What differs between worlds: the moduli and the words of the problems."""

    moduli: tuple[int, ...]
    letter: str
    device: str
    person: str
    store: str
    unit: str
    skipped: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One line of reasoning: `label: expression result`."""

    label: str
    expression: str
    result: int


@dataclass(frozen=True)
class Draft:
    """A problem, the plan that a short solution names, and the steps of a long one; the last result is the answer."""

    key: tuple[int, ...]
    statement: str
    plan: str
    steps: tuple[Step, ...]


def _reduced(value: int, modulus: int) -> tuple[str, int]:
    """The end of an expression that brings a value below the modulus, and the result."""
    multiple = value - value % modulus
    return (f"={value}, -{multiple}=" if multiple else "="), value % modulus


def recurrence(rng: random.Random, n: int, words: Words) -> Draft:
    """x_(k+1) = a x_k + c modulo m."""
    a, c, m = rng.randint(2, 9), rng.randint(1, 9), rng.choice(words.moduli)
    first = value = rng.randrange(10, m)
    steps, x = [], words.letter
    for k in range(2, n + 2):
        end, result = _reduced(a * value + c, m)
        steps.append(Step(f"{x}{k}", f"{a}*{value}={a * value}, +{c}{end}", result))
        value = result
    statement = (
        f"A sequence starts with {x}1={first}. Each next term is {a} times the term before plus {c}, modulo {m}. "
        f"Find {x}{n + 1}."
    )
    return Draft((a, c, m, first, n), statement, f"Apply the rule {n} times modulo {m}.", tuple(steps))


def power(rng: random.Random, n: int, words: Words) -> Draft:
    """c b^n modulo m, one factor at a time."""
    b, m = rng.randint(2, 9), rng.choice(words.moduli)
    first = value = rng.randrange(10, m)
    steps = []
    for k in range(1, n + 1):
        end, result = _reduced(b * value, m)
        steps.append(Step(f"factor {k}", f"{b}*{value}{end}", result))
        value = result
    statement = f"What is the remainder when {first}*{b}^{n} is divided by {m}?"
    return Draft((b, m, first, n), statement, f"Reduce the power modulo {m}.", tuple(steps))


def pair_sums(rng: random.Random, n: int, words: Words) -> Draft:
    """t_(k+2) = t_(k+1) + t_k modulo m."""
    m = rng.choice(words.moduli)
    before, value = rng.randrange(10, m), rng.randrange(10, m)
    key, steps = (m, before, value, n), []
    statement = (
        f"{words.person} writes {before} and {value} and then always the sum of the last two numbers modulo {m}. "
        f"What is number {n + 2}?"
    )
    for k in range(3, n + 3):
        end, result = _reduced(before + value, m)
        steps.append(Step(f"number {k}", f"{before}+{value}{end}", result))
        before, value = value, result
    return Draft(key, statement, f"Add pairs {n} times modulo {m}.", tuple(steps))


def halving(rng: random.Random, n: int, words: Words) -> Draft:
    """Even numbers are halved, odd ones grow by an odd c; n times."""
    c, value = 2 * rng.randint(20, 99) + 1, rng.randint(100, 999)
    key, steps = (c, value, n), []
    statement = (
        f"A {words.device} shows {value}. At each press an even number is halved and an odd number grows by {c}. "
        f"What does it show after {n} presses?"
    )
    for k in range(1, n + 1):
        expression = f"{value}+{c}=" if value % 2 else f"{value}/2="
        value = value + c if value % 2 else value // 2
        steps.append(Step(f"press {k}", ("odd, " if "+" in expression else "even, ") + expression, value))
    return Draft(key, statement, f"Follow the {words.device} for {n} presses.", tuple(steps))


def running_total(rng: random.Random, n: int, words: Words) -> Draft:
    """A stock with n deliveries and sales, in the order of a numbered list."""
    first = value = rng.randint(100, 500)
    moves, steps = [], []
    for k in range(1, n + 1):
        move = rng.randint(11, 99) * (1 if value < 150 else -1 if value > 850 else rng.choice((1, -1)))
        steps.append(Step(f"day {k}", f"{value}{move:+d}=", value + move))
        moves.append(move)
        value += move
    days = ", ".join(f"day {k}: {move:+d}" for k, move in enumerate(moves, 1))
    start = f"A {words.store} holds {first} {words.unit}. The changes are {days}."
    statement = f"{start} How many {words.unit} are there at the end?"
    return Draft((first, *moves), statement, f"Add the {n} changes.", tuple(steps))


def products(rng: random.Random, n: int, words: Words) -> Draft:
    """The sum of n given products modulo m."""
    m, value = rng.choice(words.moduli), 0
    pairs = [(rng.randint(2, 9), rng.randint(2, 9)) for _ in range(n)]
    steps = []
    for k, (a, b) in enumerate(pairs, 1):
        end, result = _reduced(value + a * b, m)
        steps.append(Step(f"term {k}", f"{a}*{b}={a * b}, +{value}{end}", result))
        value = result
    terms = ", ".join(f"term {k}: {a}*{b}" for k, (a, b) in enumerate(pairs, 1))
    statement = f"Find the sum modulo {m} of these products. {terms}."
    return Draft((m, *(x for pair in pairs for x in pair)), statement, f"Add the {n} products.", tuple(steps))


def digit_sums(rng: random.Random, n: int, words: Words) -> Draft:
    """x grows by a times the sum of its digits, modulo m; n times."""
    a, m = rng.randint(2, 9), rng.choice(words.moduli)
    first = value = rng.randrange(10, m)
    steps = []
    for k in range(1, n + 1):
        total = value // 10 + value % 10
        end, result = _reduced(value + a * total, m)
        steps.append(Step(f"round {k}", f"{value // 10}+{value % 10}={total}, *{a}={a * total}, +{value}{end}", result))
        value = result
    statement = (
        f"In each round a number grows by {a} times the sum of its two digits, modulo {m}. It starts as {first}. "
        f"What is it after {n} rounds?"
    )
    return Draft((a, m, first, n), statement, f"Play {n} rounds modulo {m}.", tuple(steps))


def skip_count(rng: random.Random, n: int, words: Words) -> Draft:
    """Count up by a, leave out two last digits, add the rest modulo m; n numbers looked at."""
    a, m, value = rng.choice((3, 7, 9)), rng.choice(words.moduli), rng.randint(100, 400)
    key, total, steps = (a, m, value, n), 0, []
    low, high = words.skipped
    statement = (
        f"Count up from {value} by {a}. Leave out numbers that end in {low} or {high} and add the others modulo {m}. "
        f"What is the sum after {n} counts?"
    )
    for k in range(1, n + 1):
        value += a
        kept = value % 10 not in words.skipped
        end, result = _reduced(total + value, m) if kept else ("=", total)
        steps.append(Step(f"count {k}", f"{value} {'in' if kept else 'out'}, {total}+{value * kept}{end}", result))
        total = result
    return Draft(key, statement, f"Add the numbers kept in {n} counts.", tuple(steps))


FAMILIES: dict[str, Callable[[random.Random, int, Words], Draft]] = {
    family.__name__: family
    for family in (recurrence, power, pair_sums, halving, running_total, products, digit_sums, skip_count)
}
