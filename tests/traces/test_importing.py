"""Traces in the shapes in which people have them, and every shape that is refused with its one line."""

import json

import pandas as pd
import pytest

from longcot.curation.filtering import filter_traces
from longcot.files.errors import BadInput
from longcot.problems.lost_backslashes import lost_backslash
from longcot.problems.sources import load_problems
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study
from longcot.traces.finish_reasons import finish_reason
from longcot.traces.importing import import_traces
from longcot.traces.trace import Trace

ASKED, ANSWERED = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "It is 2."}
SYSTEM = {"role": "system", "content": "Think."}
PARTS = [{"type": "text", "text": "It is "}, {"type": "text", "text": "2."}]
SHAPES = {  # a row, and the keys of problem and text in it
    "texts": ({"q": "1+1?", "t": "It is 2."}, "q", "t"),
    "messages": ({"messages": [SYSTEM, ASKED, ANSWERED]}, "messages", "messages"),
    "messages by place": ({"messages": [SYSTEM, ASKED, ANSWERED]}, "messages.1.content", "messages.-1.content"),
    "a message": ({"messages": [SYSTEM, ASKED, ANSWERED]}, "messages.1", "messages.-1"),
    "conversations": (
        {"conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "It is 2."}]},
        "conversations",
        "conversations",
    ),
    "prompt and completion": ({"prompt": [SYSTEM, ASKED], "completion": [ANSWERED]}, "prompt", "completion"),
    "parts": ({"prompt": "1+1?", "m": [ANSWERED | {"content": PARTS}]}, "prompt", "m"),
    "a list of one": ({"q": "1+1?", "response": ["It is 2."]}, "q", "response"),
    "in a list": ({"q": {"en": "1+1?"}, "response": ["no", "It is 2."]}, "q.en", "response.-1"),
    "a dot in a name": ({"q.en": "1+1?", "r.0": "It is 2."}, "q.en", "r.0"),
    "JSON in a cell": ({"m": json.dumps([ASKED, ANSWERED])}, "m", "m"),
    "a list in a cell": ({"q": "1+1?", "r": '["It is 2."]'}, "q", "r"),
}


def write(folder, *rows, name="t.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


@pytest.mark.parametrize("row, problem, text", SHAPES.values(), ids=SHAPES)
def test_a_shape_is_read(tmp_path, row, problem, text):
    file = write(tmp_path, row | {"a": 2})
    (trace,) = import_traces(file, {"problem": problem, "expected_answer": "a", "text": text})
    assert (trace.problem, trace.expected_answer, trace.text, trace.model) == ("1+1?", "2", "It is 2.", "t")
    (found,) = load_problems(file, columns={"problem": problem, "expected_answer": "a"})
    assert (found.id, found.problem) == (trace.problem_id, "1+1?")


def test_thoughts_beside_an_answer_are_kept(tmp_path):
    row = {"m": [ASKED, ANSWERED | {"reasoning_content": "1 and 1."}], "a": 2}
    (trace,) = import_traces(write(tmp_path, row), {"problem": "m", "expected_answer": "a", "text": "m"})
    assert trace.text == "<think>1 and 1.</think>It is 2."


KEYS = {"problem": "q", "expected_answer": "a", "text": "t"}
ROW = {"q": "1+1?", "a": "2", "t": "It is 2."}


def test_several_samples_in_a_row(tmp_path):
    row = {"q": "1+1?", "a": "2", "t": ["x", "y", "z"], "why": ["stop", "length", None], "tokens": [1, 2, 3], "m": "m"}
    keys = KEYS | {"finish_reason": "why", "completion_tokens": "tokens", "model": "m"}
    traces = import_traces(write(tmp_path, row, row | {"t": "w", "why": "eos", "tokens": 4}), keys)
    assert [(one.sample, one.text, one.finish_reason, one.completion_tokens) for one in traces] == [
        (0, "x", "stop", 1),
        (1, "y", "length", 2),
        (2, "z", None, 3),
        (3, "w", "stop", 4),
    ]


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "parquet", "json"])
def test_a_table_imports_as_json_lines_do(tmp_path, ending):
    rows = [ROW | {"tokens": 5, "why": "eos"}, ROW | {"t": "It\nis 3.", "tokens": 7, "why": "MAX_TOKENS"}, ROW]
    table, path = pd.DataFrame(rows), tmp_path / f"t.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    elif ending == "json":
        table.to_json(path, orient="records")
    else:
        table.to_csv(path, sep="," if ending == "csv" else "\t")
    keys = KEYS | {"completion_tokens": "tokens", "finish_reason": "why"}
    assert import_traces(path, keys) == import_traces(write(tmp_path, *rows), keys)
    assert import_traces(path, keys, where={"t": "It\nis 3."})[0].finish_reason == "length"


LOST = "which JSON makes of {} with one backslash; write two where the file was made, or write it with a JSON library"
HAS = "the row has 'q', 'a', 't'"
BAD = {
    "no text": ({"t": None}, {}, f"key 't' (our 'text') is missing or empty; {HAS}"),
    "an empty text": ({"t": ""}, {}, f"key 't' (our 'text') is missing or empty; {HAS}"),
    "an empty list": ({"t": []}, {}, f"key 't' (our 'text') is missing or empty; {HAS}"),
    "an empty one of several": ({"t": ["x", ""]}, {}, f"key 't' (our 'text') is missing or empty; {HAS}"),
    "no such path": ({}, {"text": "t.0.x"}, f"key 't.0.x' (our 'text') is missing or empty; {HAS}"),
    "an object": ({"t": {"x": 1}}, {}, "key 't' (our 'text') is a dict; name a text in it, as t.0"),
    "a list of answers": ({"a": ["2"]}, {}, "key 'a' (our 'expected_answer') is a list; name a text in it, as a.0"),
    "a Python list": (
        {"t": "['x', 'y']"},
        {},
        "a Python list in a cell of text; write it in JSON, or each sample in a row of its own",
    ),
    "several questions": (
        {"q": [ASKED, ANSWERED, ASKED, ANSWERED]},
        {},
        "a conversation with 2 turns of the user, and one is needed; name one by its place, as messages.-1.content",
    ),
    "no answer": (
        {"t": [ASKED]},
        {},
        "a conversation with no turns of the assistant, and one is needed; name one by its place, as "
        "messages.-1.content",
    ),
    "an unknown role": (
        {"t": [{"role": "narrator", "content": "x"}]},
        {},
        "role 'narrator' is not known; use one of system, developer, user, human, assistant, gpt, model, bot, chatgpt, "
        "tool, function, function_call, observation",
    ),
    "a picture": (
        {"t": [{"role": "assistant", "content": [{"type": "image", "url": "x"}]}]},
        {},
        "a content that holds other than text; leave such rows out",
    ),
    "too few reasons": (
        {"t": ["x", "y"], "why": ["stop"]},
        {"finish_reason": "why"},
        "key 'why' has 1 values beside 2 texts; as many are needed",
    ),
    "an unknown reason": (
        {"why": "sunset"},
        {"finish_reason": "why"},
        "key 'why': 'sunset' does not say in known words why the response ended; write 'stop' or 'length', or leave "
        "finish_reason out of the mapping",
    ),
    "one sample twice": (
        {"t": ["x", "y"], "n": 0},
        {"sample": "n", "problem_id": "q"},
        "('1+1?', 0, '') stands in line 1 already; map `sample` or `stage` otherwise",
    ),
    "a lost \\frac": ({"t": "\frac{1}{2}"}, {}, f"key 't': a form feed before 'rac', {LOST.format(chr(92) + 'frac')}"),
    "a lost \\boxed": ({"t": "\boxed{2}"}, {}, f"key 't': a backspace before 'oxed', {LOST.format(chr(92) + 'boxed')}"),
    "a lost \\text": ({"a": "2\text{ m}"}, {}, f"key 'a': a tab before 'ext', {LOST.format(chr(92) + 'text')}"),
    "a lost \\right": (
        {"q": "x \rightarrow y"},
        {},
        f"key 'q': a carriage return before 'ightarrow', {LOST.format(chr(92) + 'rightarrow')}",
    ),
    "a lost \\nabla": ({"q": "$\nabla f$"}, {}, f"key 'q': a line end before 'abla', {LOST.format(chr(92) + 'nabla')}"),
}


@pytest.mark.parametrize("values, keys, message", BAD.values(), ids=BAD)
def test_a_row_that_is_refused(tmp_path, values, keys, message):
    file = write(tmp_path, ROW | values)
    with pytest.raises(BadInput) as raised:
        import_traces(file, KEYS | keys)
    assert str(raised.value) == f"t.jsonl:1: {message}"


def test_problems_with_lost_backslashes_are_refused(tmp_path):
    pd.DataFrame([ROW, ROW | {"q": "Is \frac{1}{2}?"}]).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(BadInput, match=r"^p\.parquet:row 2: key 'q': a form feed before 'rac', which JSON makes of"):
        load_problems(tmp_path / "p.parquet", columns={"problem": "q", "expected_answer": "a"})


@pytest.mark.parametrize(
    "text, command",
    [
        ("\frac12", "frac"),
        ("so \begin{cases}", "begin"),
        ("2\times 3", "times"),
        ("at $\theta$", "theta"),
        ("\tau_1", "tau"),
        ("x \to 0", "to"),
        ("$\tan x$", "tan"),
        ("is \tan(x)", "tan"),
        ("\textbf{so}", "textbf"),
        ("(x\right)", "right"),
        ("|x\rangle", "rangle"),
        ("$x \neq 0$", "neq"),
        ("$x \ne -1$", "ne"),
        ("x\notin A", "notin"),
    ],
)
def test_commands_that_are_lost(text, command):
    """Written here as in JSON, with one backslash."""
    assert f"which JSON makes of \\{command} with" in lost_backslash(text)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n\ttan = 2\n\treturn 1",
        "a\ttext\tb",
        "so\r\nright",
        "1\tan apple",
        "\fPage 2",
        "x =\neq. (3)",
        "(\nnot",
        "see \neq. (3)",
        "it is \ne.g. 2",
        "a \tan apple",
        "a \to b",
    ],
)
def test_white_space_is_white_space(text):
    assert lost_backslash(text) is None


@pytest.mark.parametrize(
    "word, ours",
    [
        ("stop", "stop"),
        ("EOS", "stop"),
        ("end_turn", "stop"),
        ("FinishReason.STOP", "stop"),
        ({"type": "length", "length": 10}, "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("maxPredictedTokensReached", "length"),
        ("truncated", "length"),
        ("content_filter", "content_filter"),
        ("abort", "error"),
        ("sunset", None),
        ("", None),
        (1, None),
    ],
)
def test_why_a_response_ended(word, ours):
    assert finish_reason(word) == ours


@pytest.mark.parametrize(
    "word", ["length", "max_tokens", "MAX_TOKENS", "truncated", "content_filter", "abort", "sunset"]
)
def test_what_did_not_end_by_itself_is_not_finished(word):
    given = {"problem_id": "p", "problem": "1+1?", "expected_answer": "2", "model": "m", "text": "x"}
    cut = Trace(**given, sample=0, finish_reason=word)
    whole = [Trace(**given, sample=n, finish_reason=words) for n, words in enumerate(("stop", "eos", None), 1)]
    assert filter_traces([cut, *whole], ["finished"]).kept == whole


def test_a_study_says_at_once_what_is_wrong_with_the_form(tmp_path):
    (tmp_path / "t.csv").write_text("q;a;t\n1+1?;2;It is 2.\n")
    imported = f"{{source: '{tmp_path}/t.csv', keys: {{problem: q, expected_answer: a, text: out}}}}"
    (tmp_path / "s.yaml").write_text(f"name: s\ntitle: s\nmain_arm: a\narms: [{{name: a, imported: {imported}}}]\n")
    study = load_study(tmp_path / "s.yaml")
    with pytest.raises(BadInput, match=r"^t\.csv:2: key 'out' \(our 'text'\) is missing or empty; the row has 'q'"):
        check_inputs(study)
