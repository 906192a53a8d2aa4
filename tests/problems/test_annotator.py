import re
from itertools import islice

import pytest

from longcot.grading.extraction import extract_answer
from longcot.miniature.corpus import draw_documents
from longcot.problems.miniature.annotator import PROBLEMS, STAGES
from longcot.problems.miniature.world import World
from longcot.problems.sources import load_problems, source_rows
from longcot.traces.importing import import_traces

KEYS = {"problem": "problem", "expected_answer": "expected_answer", "text": "solution", "stage": "solution_type"}
SOURCES = ["miniature:annotated", "miniature:annotated@2"]


@pytest.mark.parametrize("source", SOURCES)
def test_the_annotator_reads_as_people_do(source):
    """The way a Hub set of human traces goes: by its columns, with ids that problems and traces share."""
    traces, problems = import_traces(source, KEYS), load_problems(source)
    assert len(problems) == PROBLEMS == 50 and len(traces) == len(STAGES) * PROBLEMS
    for stage in STAGES:
        assert [row.problem_id for row in traces if row.stage == stage] == [problem.id for problem in problems]
    assert {problem.source for problem in problems} == {"program-written stand-in for human annotators"}
    assert import_traces(source, KEYS) == traces


@pytest.mark.parametrize("source", SOURCES)
def test_every_solution_is_right_and_of_the_training_split(source):
    world = source.replace("annotated", "train")
    answers = {problem.problem: problem.expected_answer for problem in load_problems(world)}
    held_out = {problem.problem for problem in load_problems(world.replace("train", "test"))}
    for trace in import_traces(source, KEYS):
        assert extract_answer(trace.text) == trace.expected_answer == answers[trace.problem]
        assert trace.problem not in held_out


def test_stages_grow_and_only_the_last_goes_back():
    traces = import_traces("miniature:annotated", KEYS)
    by_problem = {}
    for trace in traces:
        by_problem.setdefault(trace.problem_id, []).append(trace.text)
    for texts in by_problem.values():
        assert sorted(texts, key=len) == texts
        assert [bool(re.search("redo this: \\w|slipped|that is wrong", text)) for text in texts] == [False] * 3 + [True]
        assert ["Yes." in text for text in texts] == [False, False, True, True]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_annotator_writes_in_the_language_of_the_world(seed):
    """No word or sign that the base model has not met in training."""
    parts = re.compile(r"[A-Za-z]+|[^\sA-Za-z\d]")
    corpus = "".join("".join(document) for document in islice(draw_documents(World(seed), "test"), 3000))
    rows = source_rows(f"miniature:annotated@{seed}")
    assert not {part for _, row in rows for part in parts.findall(row["solution"])} - set(parts.findall(corpus))
