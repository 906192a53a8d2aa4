import json
import os
import subprocess
import sys

import pytest

from longcot.files.errors import BadInput
from longcot.problems.problem import problem_id
from longcot.problems.sources import load_problems
from longcot.traces.importing import import_traces
from longcot.traces.trace import Trace, TraceWriter, iter_placed, read_traces, trace_at

TRACE = Trace(problem_id="p", sample=0, problem="1+1?", expected_answer="2", model="m", text="\\boxed{2}\u2028é")
OTHER = TRACE.model_copy(update={"sample": 1})


def test_what_is_written_is_read(tmp_path):
    with TraceWriter(tmp_path / "t.jsonl") as writer:
        assert writer.append([TRACE, OTHER]) == 2 and writer.append([OTHER]) == 0
    assert read_traces(tmp_path / "t.jsonl") == [TRACE, OTHER]


def test_what_is_finished():
    words = ("stop", None, "length", "overflow", "content_filter")
    finished = [TRACE.model_copy(update={"finish_reason": word}).finished for word in words]
    assert finished == [True, None, False, False, False]


def test_a_trace_is_read_again_by_its_place(tmp_path):
    file = tmp_path / "t.jsonl"
    with TraceWriter(file) as writer:
        writer.append([TRACE, OTHER])
    file.write_bytes(file.read_bytes().replace(b"\n", b"\n\n", 1) + b'{"torn')
    placed = list(iter_placed(file))
    assert [trace for _, trace in placed] == [TRACE, OTHER]
    assert [trace_at(file, start, trace.key) for start, trace in placed] == [TRACE, OTHER]
    with pytest.raises(BadInput, match="t.jsonl: was written anew while it was read; run the notebook again"):
        trace_at(file, placed[0][0], OTHER.key)


@pytest.mark.parametrize("keep", [1, 40, -1])
def test_a_torn_last_line_is_cut_and_written_again(tmp_path, keep):
    file = tmp_path / "t.jsonl"
    with TraceWriter(file) as writer:
        writer.append([TRACE, OTHER])
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    file.write_bytes(whole[:first] + whole[first:][:keep])
    assert read_traces(file) == [TRACE]
    with TraceWriter(file) as writer:
        assert writer.done == {TRACE.key}
        writer.append([TRACE, OTHER])
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    "lines, message",
    [
        ('{"problem_id": "p"}\n', r"t\.jsonl:1: not a trace"),
        (TRACE.model_dump_json() + "\nhello\n", r"t\.jsonl:2: not a trace"),
        (TRACE.model_dump_json() + "\n" + TRACE.model_dump_json() + "\n", r"t\.jsonl:2: .* stands in line 1 already"),
    ],
)
def test_a_foreign_or_double_line_is_named_and_nothing_is_touched(tmp_path, lines, message):
    file = tmp_path / "t.jsonl"
    file.write_text(lines)
    with pytest.raises(BadInput, match=message):
        read_traces(file)
    with pytest.raises(BadInput, match=message), TraceWriter(file):
        pass
    assert file.read_text() == lines


def test_a_second_writer_is_refused(tmp_path):
    code = "import sys; from longcot.traces.trace import TraceWriter\nwith TraceWriter(sys.argv[1]): print('in')"
    with TraceWriter(tmp_path / "t.jsonl"):
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.jsonl")], capture_output=True, text=True)
    assert other.returncode == 1 and "another process is writing this file" in other.stderr


def test_import_maps_keys_and_numbers_samples(tmp_path):
    file = tmp_path / "foreign.jsonl"
    file.write_text('{"q": "1+1?", "a": "2", "out": "two", "style": "x"}\n' * 2 + '{"q": "", "a": "2", "out": "two"}\n')
    keys = {"problem": "q", "expected_answer": "a", "text": "out"}
    rows = import_traces(file, keys, where={"style": "x"})
    name = problem_id("1+1?")
    assert [(row.problem_id, row.sample, row.model) for row in rows] == [(name, 0, "foreign"), (name, 1, "foreign")]
    with pytest.raises(BadInput, match=r"foreign\.jsonl:3: key 'q' .* missing or empty"):
        import_traces(file, keys)
    with pytest.raises(BadInput, match="lacks text"):
        import_traces(file, {"problem": "q", "expected_answer": "a"})
    with pytest.raises(BadInput, match="no row with"):
        import_traces(file, keys, where={"style": "y"})


# The columns of nvidia/Nemotron-Math-HumanReasoning; the texts are ours.
STAGED = {"problem": "problem", "expected_answer": "expected_answer", "text": "solution", "stage": "solution_type"}
HUMAN = [
    {"problem": text, "solution": f"{stage} {text}", "solution_type": stage, "expected_answer": answer}
    for text, answer in (("1+1?", "2"), ("2+2?", "4"))
    for stage in ("human_stage1", "human_stage2", "qwq_32b_preview", "qwq_32b_preview")
]


@pytest.mark.parametrize("form", ["file", "folder"])
def test_traces_in_stages_import_with_the_ids_of_their_problems(tmp_path, form):
    file = tmp_path / ("human.jsonl" if form == "file" else "human/train.jsonl")
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in HUMAN))
    source = file if form == "file" else file.parent
    traces = import_traces(source, STAGED)
    assert [trace.key for trace in traces[:4]] == [
        (problem_id("1+1?"), 0, "human_stage1"),
        (problem_id("1+1?"), 0, "human_stage2"),
        (problem_id("1+1?"), 0, "qwq_32b_preview"),
        (problem_id("1+1?"), 1, "qwq_32b_preview"),
    ]
    assert len({trace.key for trace in traces}) == len(HUMAN)
    assert [problem.id for problem in load_problems(source)] == list(dict.fromkeys(row.problem_id for row in traces))
    assert {trace.model for trace in traces} == {"human"}
    only = import_traces(source, STAGED, where={"solution_type": "human_stage2"})
    assert [trace.problem_id for trace in only] == [problem_id("1+1?"), problem_id("2+2?")]


def test_answers_and_ids_may_be_numbers(tmp_path):
    file = tmp_path / "n.jsonl"
    file.write_text('{"p": 0, "problem": "1-1?", "a": 0, "out": "0"}\n')
    (row,) = import_traces(file, {"problem": "problem", "expected_answer": "a", "text": "out", "problem_id": "p"})
    assert (row.problem_id, row.expected_answer) == ("0", "0")
    (problem,) = load_problems(file, columns={"id": "p", "expected_answer": "a"})
    assert (problem.id, problem.expected_answer) == ("0", "0")


@pytest.mark.skipif("LONGCOT_DATA" not in os.environ, reason="LONGCOT_DATA names no folder of real traces")
def test_real_traces_import():
    from longcot.files.paths import resolve

    keys = {
        "problem": "problem",
        "expected_answer": "expected_answer",
        "text": "generation",
        "problem_id": "problem_id",
    }
    rows = import_traces(resolve("data:traces/qwen_math_cot100_multisample.jsonl"), keys)
    assert len({row.problem_id for row in rows}) == 100 and len(rows) == 800
