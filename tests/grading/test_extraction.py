import pytest

from longcot.grading.extraction import extract_answer


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
