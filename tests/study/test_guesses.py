import pytest

from longcot.files.errors import BadInput
from longcot.study.guesses import problem_columns, trace_keys

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
CHAT += [{"role": "assistant", "content": "\\boxed{2}"}]
SHAREGPT = [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "\\boxed{2}"}]


@pytest.mark.parametrize(
    "row, columns",
    [
        ({"id": "a", "problem": "1+1?", "expected_answer": "2", "level": 3}, {}),
        ({"question": "1+1?", "answer": 2}, {"problem": "question", "expected_answer": "answer"}),
        (
            {"Problem": "1+1?", "solution": "It is 2.", "Answer": "2", "unique_id": "a", "type": "sums"},
            {"problem": "Problem", "expected_answer": "Answer", "id": "unique_id", "subject": "type"},
        ),
        (
            {"prompt": CHAT[:2], "reward_model": {"ground_truth": "2"}, "extra": None},
            {"problem": "prompt", "expected_answer": "reward_model.ground_truth"},
        ),
    ],
)
def test_columns_of_problems(row, columns):
    assert problem_columns(row, "x.jsonl") == columns


@pytest.mark.parametrize(
    "row, keys",
    [
        ({"messages": CHAT, "answer": "2"}, ("messages", "answer", "messages")),
        ({"id": 7, "conversations": SHAREGPT, "gold": "2"}, ("conversations", "gold", "conversations")),
        ({"question": "1+1?", "answer": "2", "generations": ["2", "3"]}, ("question", "answer", "generations")),
        ({"question": "1+1?", "final_answer": 2, "answer": "It is 2."}, ("question", "final_answer", "answer")),
        ({"problem": "1+1?", "solution": "2.", "expected_answer": "2"}, ("problem", "expected_answer", "solution")),
    ],
)
def test_keys_of_traces(row, keys):
    assert trace_keys(row, "x.jsonl") == dict(zip(("problem", "expected_answer", "text"), keys, strict=True))


def test_what_else_a_trace_says_is_taken_where_it_can_be():
    row = {"problem": "1+1?", "answer": "2", "text": "2", "finish_reason": "stop", "completion_tokens": 9, "model": "m"}
    row |= {"solution_type": "human_stage1", "problem_id": "a"}
    more = ["completion_tokens", "finish_reason", "model", "problem_id", "stage"]
    assert sorted(trace_keys(row, "x").keys() - {"problem", "expected_answer", "text"}) == more
    assert "finish_reason" not in trace_keys(row | {"finish_reason": "because"}, "x")


@pytest.mark.parametrize(
    "guess, row, words",
    [
        (problem_columns, {"a": 1, "answer": "2"}, "like the problem; it has a, answer; call it 'problem'"),
        (problem_columns, {"problem": "1+1?", "b": 2}, "no column looks like the expected answer"),
        (trace_keys, {"messages": CHAT}, "no column looks like the expected answer"),
        (trace_keys, {"messages": CHAT + CHAT, "answer": "2"}, "no column looks like the problem"),
        (trace_keys, {"problem": "1+1?", "answer": "2"}, "no column looks like the trace"),
    ],
)
def test_what_cannot_be_guessed_is_said(guess, row, words):
    with pytest.raises(BadInput, match=words):
        guess(row, "x.jsonl")
