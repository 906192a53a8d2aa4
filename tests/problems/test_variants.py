import pytest

from longcot.grading.extraction import extract_answer
from longcot.problems.miniature.variants import KINDS
from longcot.problems.problem import problem_id
from longcot.problems.sources import load_problems, source_rows
from longcot.traces.importing import import_traces

KEYS = {"problem_id": "problem_id", "problem": "problem", "expected_answer": "expected_answer", "text": "solution"}
KEYS |= {"stage": "variant"}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("world", ["", "@2"])
def test_variants_answer_the_problems_that_the_studies_sample(name, world):
    problems = {problem.id: problem for problem in load_problems(f"miniature:train{world}", limit=256)}
    traces = import_traces(f"miniature:{name}{world}", KEYS)
    assert len(traces) == len(KINDS[name]) * len(problems) and {trace.problem_id for trace in traces} == problems.keys()
    for trace in traces:
        problem = problems[trace.problem_id]
        assert trace.problem == problem.problem and extract_answer(trace.text) == problem.expected_answer
    assert traces == import_traces(f"miniature:{name}{world}", KEYS)


def by_problem(name: str) -> dict[str, dict[str, list[str]]]:
    """The lines of each variant of each problem."""
    texts: dict[str, dict[str, list[str]]] = {}
    for _, row in source_rows(f"miniature:{name}"):
        texts.setdefault(row["problem"], {})[row["variant"]] = row["solution"].split("\n")
    return texts


def test_variants_differ_in_one_thing():
    for problem, kinds in by_problem("variants").items():
        worked = kinds["worked"]
        assert kinds["checked"][:-2] == worked[:-1] and kinds["checked"][-1] == worked[-1]
        assert worked[-2] in kinds["checked"][-2] and kinds["checked"][-2].endswith("Yes.")
        changed = [(a, b) for a, b in zip(worked, kinds["slipped"], strict=True) if a != b]
        assert len(changed) == 1 and changed[0][1].endswith(changed[0][0]), problem_id(problem)
        assert len(kinds["results"]) == len(worked) and len(kinds["answer"]) == 1


def test_additions_add_one_thing():
    for kinds in by_problem("additions").values():
        opening, *steps = kinds["worked"]
        (plan, *planned), (guess, *guessed) = kinds["planned"], kinds["guessed"]
        assert planned == guessed == steps and guess.startswith(f"{plan} The answer is ") and "Hmm" in guess
        assert kinds["opened_guess"] == [opening, guess, *steps]
        checks = [line for line in kinds["checked_on_the_way"] if line.endswith("Yes.")]
        assert [line for line in kinds["checked_on_the_way"] if line not in checks] == kinds["worked"]
        assert len(checks) == (len(steps) - 2) // 4 and all(steps[4 * i + 3] in line for i, line in enumerate(checks))
