import pytest
from longcot.grading import extract_answer, grade, group_equivalent, is_equivalent, regrade
from longcot.traces import Trace, read_traces, write_traces


def trace(text: str, expected: str = "7", sample: int = 0, **more) -> Trace:
    return Trace(problem_id="p", sample=sample, problem="?", expected_answer=expected, model="m", text=text, **more)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{1}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{3} and then \boxed{4", "3"),
        (r"<think>\boxed{5}</think> It is \boxed{6}.", "6"),
        (r"<think>so \boxed{5}</think>", "5"),
        (r"<|begin_of_thought|> so \boxed{5}, but wait", None),
        ("The final answer is 12.", "12"),
        ("", None),
    ],
)
def test_extract_answer(text, answer):
    assert extract_answer(text) == answer


def test_is_equivalent():
    assert is_equivalent("025", "25")
    assert is_equivalent(r"\frac{2}{4}", "$1/2$")
    assert not is_equivalent("26", "25")
    assert not is_equivalent("", "25")


def test_grade_regrade(tmp_path):
    graded = grade(
        [trace(r"\boxed{7}"), trace(r"\boxed{8}", sample=1), trace(r"\boxed{7}", sample=2, finish_reason="length")]
    )
    assert [(t.answer, t.correct) for t in graded] == [("7", True), ("8", False), (None, False)]
    write_traces(tmp_path / "t.jsonl", [t.model_copy(update={"correct": None}) for t in graded])
    assert regrade(tmp_path / "t.jsonl") == 3
    assert read_traces(tmp_path / "t.jsonl") == graded


def test_group_equivalent():
    assert group_equivalent(["1/2", None, "0.5", "3", "1/2"]) == [0, -1, 0, 1, 0]
