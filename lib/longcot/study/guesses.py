"""What the columns of somebody's own problems and traces are, guessed from the names and the values of a first row."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.rows import value_at
from longcot.problems.conversations import turns
from longcot.traces.finish_reasons import finish_reason

CHATS = ("messages", "conversations", "conversation", "chat")
ASKED = ("problem", "question", "query", "instruction", "prompt", "input", *CHATS)
EXPECTED = ("expected_answer", "final_answer", "ground_truth", "reference_answer", "gold_answer", "gold", "answer")
EXPECTED += ("target", "label", "reward_model.ground_truth", "extra_info.answer", "metadata.answer")
WRITTEN = ("text", "generation", "generations", "response", "responses", "completion", "completions", "trace", "output")
WRITTEN += ("solution", "reasoning", "answer", *CHATS)
IDS = ("id", "problem_id", "unique_id", "uid", "question_id")
SUBJECTS, LEVELS = ("subject", "type", "category", "topic"), ("level", "difficulty")
OF_TRACES: dict[str, tuple[str, ...]] = {  # what is taken of a trace where the file says it
    "problem_id": ("problem_id", "question_id"),
    "stage": ("stage", "solution_type", "variant"),
    "model": ("model", "model_name", "generator"),
    "finish_reason": ("finish_reason", "finish_reasons", "stop_reason"),
    "completion_tokens": ("completion_tokens", "output_tokens", "num_tokens"),
}


def problem_columns(row: dict[str, Any], name: str) -> dict[str, str]:
    """Our names mapped to a problem set's columns, those left out that are called as ours are.

    Raises BadInput with `name` where no column can be the problem, or its answer.
    """
    found = {"problem": _needed(row, name, "the problem", ASKED, _is_question)}
    found["expected_answer"] = _needed(row, name, "the expected answer", EXPECTED, _is_answer, found.values())
    for ours, names in (("id", IDS), ("subject", SUBJECTS), ("level", LEVELS)):
        if theirs := _first(row, names, _is_answer, found.values()):
            found[ours] = theirs
    return {ours: theirs for ours, theirs in found.items() if ours != theirs}


def trace_keys(row: dict[str, Any], name: str) -> dict[str, str]:
    """Our names mapped to the keys of a file of traces. Raises BadInput with `name` where a needed one is not found."""
    problem = _needed(row, name, "the problem", ASKED, _is_question)
    expected = _needed(row, name, "the expected answer", EXPECTED, _is_answer, [problem])
    chat = turns(value_at(row, problem)) is not None and _is_written(value_at(row, problem))
    text = problem if chat else _needed(row, name, "the trace", WRITTEN, _is_written, [problem, expected])
    found = {"problem": problem, "expected_answer": expected, "text": text}
    for ours, names in OF_TRACES.items():
        if theirs := _first(row, names, _KINDS.get(ours, _is_answer), found.values()):
            found[ours] = theirs
    return found


def _needed(
    row: dict[str, Any],
    name: str,
    what: str,
    names: Sequence[str],
    fits: Callable[[Any], bool],
    taken: Iterable[str] = (),
) -> str:
    if found := _first(row, names, fits, taken):
        return found
    raise BadInput(
        f"{name}: no column looks like {what}; it has {', '.join(map(str, row))}; call it {names[0]!r}, or write the "
        "study by hand (params/README.md)"
    )


def _first(row: dict[str, Any], names: Sequence[str], fits: Callable[[Any], bool], taken: Iterable[str] = ()) -> str:
    """The first of the names that is a column (in any case of letters), not taken yet, whose value fits; else empty."""
    own = {str(column).lower(): str(column) for column in row}
    taken = set(taken)
    for given in names:
        place = own.get(given, given)
        if place not in taken and fits(value_at(row, place)):
            return place
    return ""


def _is_question(value: Any) -> bool:
    return _says(value, "user")


def _is_written(value: Any) -> bool:
    if isinstance(value, list) and value and turns(value) is None:
        return all(_says(one, "assistant") for one in value)
    return _says(value, "assistant")


def _says(value: Any, role: str) -> bool:
    """Whether it is a text, or a conversation with one turn of the role."""
    try:
        found = turns(value)
    except BadInput:
        return False
    if found is not None:
        return [turn.role for turn in found].count(role) == 1
    return isinstance(value, str) and bool(value.strip())


def _is_answer(value: Any) -> bool:
    """Whether it is a number, or a text that is no conversation."""
    return isinstance(value, int | float) or (isinstance(value, str) and bool(value.strip()) and turns(value) is None)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "finish_reason": lambda value: isinstance(value, str) and finish_reason(value) is not None,
    "completion_tokens": lambda value: isinstance(value, int),
}
