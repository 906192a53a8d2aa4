import json
import os
from pathlib import Path

import pytest

from longcot.grading import extract_answer, is_equivalent
from longcot.grading.turns import parts


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{1}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{3} and then \boxed{4", "3"),
        (r"x = \boxed{3} or x = \boxed{4}", "3, 4"),
        (r"\boxed{\text{(\boxed{B})}}", r"\text{(\boxed{B})}"),
        (r"\boxed{ }", None),
        (r"<think>\boxed{5}</think> It is \boxed{6}.", "6"),
        (r"<think>\boxed{5}</think> So the answer is 6.", "6"),
        (r"<think>so \boxed{5}</think>", "5"),
        (r"<|begin_of_thought|> so \boxed{5}, but wait", None),
        (r"<think>so \boxed{5}", None),
        (r"It is \boxed{5}.<|im_end|><|im_start|>user What is 2+2? \boxed{4}", "5"),
        ("The final answer is 12.", "12"),
        ("**Final Answer**\n\n$x=3$", "x=3"),
        ("We add.\n\nSo the sum is $1 + 2 = 3$.\n\nI think that's it.", "1 + 2 = 3"),
        ("We add.\n\nSo 1 + 2 = 3, and then 4 more, which", None),
        ("Therefore it is (3, 4).", "(3, 4)"),
        ("We multiply.\n#### 1,250", "1,250"),
        ("So he arrives at 4:30 p.m.", "4:30 p.m."),
        ("The answer is 10^{5}.", "10^{5}"),
        (r"\boxed{\frac{1}{2}", None),
        ("No idea.", None),
        ("", None),
    ],
)
def test_extract_answer(text, answer):
    assert extract_answer(text) == answer


def check(file: Path) -> list[dict]:
    """The rows of a file of texts from which not the `expected` answer is taken (None: there is none)."""
    rows = [json.loads(line) | {"answer": None} for line in file.open(encoding="utf-8")]
    for row in rows:
        row["answer"] = extract_answer(row["text"])
    return [
        row
        for row in rows
        if row["answer"] != row["expected"]
        and not (row["answer"] and row["expected"] and is_equivalent(row["answer"], row["expected"], timeout=30))
    ]


def test_a_reader_takes_the_same_answer():
    assert not check(Path(__file__).parents[1] / "extraction_cases.jsonl")


def test_outside_cases():
    """Rows that others wrote: extraction.jsonl in the folder that LONGCOT_CASES names."""
    folder = os.environ.get("LONGCOT_CASES")
    if not folder:
        pytest.skip("no outside cases here: LONGCOT_CASES is not set")
    assert not check(Path(folder) / "extraction.jsonl")


@pytest.mark.parametrize(
    "text",
    [
        "<think>" * 50_000,
        "<reasoning>" * 30_000 + "<think></think>" * 30_000,
        "\n" * 100_000 + "x<|im_end|>",
        "not 5 " * 20_000,
        "</think>" * 50_000,
        "<answer>" * 50_000,
        "\nQ:" * 100_000,
        r"\boxed" * 300_000,
        "," * 200_000,
    ]
    + ["The answer is " + end for end in ("(" * 100_000, "1 + " * 100_000, "a = " * 100_000, "**" * 100_000)],
    ids=lambda text: text[:20],
)
def test_hostile_texts_take_no_time(text):
    began = os.times().user
    extract_answer(text)
    extract_answer(r"\boxed{1}" + text)
    parts("<think>" + text + "</think>" + text)
    assert os.times().user - began < 3
