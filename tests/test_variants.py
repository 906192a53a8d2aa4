import pytest

from longcot.grading import extract_answer
from longcot.miniature.variants import VARIANTS
from longcot.problems import load_problems, problem_id, source_rows
from longcot.traces import import_traces

KEYS = {"problem_id": "problem_id", "problem": "problem", "expected_answer": "expected_answer", "text": "solution"}
KEYS |= {"stage": "variant"}


@pytest.mark.parametrize("world", ["", "@2"])
def test_variants_answer_the_problems_that_the_studies_sample(world):
    problems = {problem.id: problem for problem in load_problems(f"miniature:train{world}", limit=256)}
    traces = import_traces(f"miniature:variants{world}", KEYS)
    assert len(traces) == len(VARIANTS) * len(problems) and {trace.problem_id for trace in traces} == problems.keys()
    for trace in traces:
        problem = problems[trace.problem_id]
        assert trace.problem == problem.problem and extract_answer(trace.text) == problem.expected_answer
    assert traces == import_traces(f"miniature:variants{world}", KEYS)


def test_variants_differ_in_one_thing():
    texts: dict[str, dict[str, list[str]]] = {}
    for _, row in source_rows("miniature:variants"):
        texts.setdefault(row["problem"], {})[row["variant"]] = row["solution"].split("\n")
    for problem, kinds in texts.items():
        worked = kinds["worked"]
        assert kinds["checked"][:-2] == worked[:-1] and kinds["checked"][-1] == worked[-1]
        assert worked[-2] in kinds["checked"][-2] and kinds["checked"][-2].endswith("Yes.")
        changed = [(a, b) for a, b in zip(worked, kinds["slipped"], strict=True) if a != b]
        assert len(changed) == 1 and changed[0][1].endswith(changed[0][0]), problem_id(problem)
        assert len(kinds["results"]) == len(worked) and len(kinds["answer"]) == 1
