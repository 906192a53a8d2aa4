import re

import pytest

from longcot.curation.filtering import filter_traces, read_filter, row_outcomes
from longcot.curation.pool import Pool
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.traces.trace import Trace

BLOCK = "Let me add them once more and see that it is twelve. "
TEXT = "First I add two and nine, which gives eleven, and then one more, so that it is twelve in the end. "


def trace(name: str, sample: int = 0, text: str = TEXT, correct: bool = True, **values) -> Trace:
    given = {"problem": f"Problem {name}?", "finish_reason": "stop", "completion_tokens": 30} | values
    return Trace(problem_id=name, sample=sample, expected_answer="12", model="m", text=text, correct=correct, **given)


POOL = Pool(
    problems={name: Problem(id=name, problem="?", expected_answer="12", subject=name, level="1") for name in "ab"},
    pass_rates={"a": 0.25, "b": 1.0},
    benchmark=[Problem(id="test-1", problem="How many of the nine hats are red at the end?", expected_answer="12")],
)
NEAR = {"no_near_duplicate": {"of": "problem"}}
COPY = "Now: how many of the nine hats are red at the end?"
PHRASE = "Tell me how many of the nine hats are red, and then how much the four coats and all of the shoes cost."


@pytest.mark.parametrize(
    "spec, stays, goes, why",
    [
        ("correct", trace("a"), trace("b", correct=False, answer="7"), "answer 7, not 12"),
        ("wrong", trace("a", correct=False), trace("b"), "it is correct"),
        ("finished", trace("a", finish_reason=None), trace("b", finish_reason="length"), "cut at the limit"),
        ("finished", trace("a"), trace("b", finish_reason="content_filter"), "not finished: content_filter"),
        ("no_loop", trace("a", text=BLOCK * 3), trace("b", text=TEXT + BLOCK * 5), r"a block [56] times in a row"),
        ("language", trace("a"), trace("b", text="So it is 数学"), r"75.0% of its letters are latin"),
        ({"language": {"share": 0.5}}, trace("a", text="so 数"), trace("b", text="数学 x"), r"33.3% of its letters"),
        ({"length": {"low": 20, "high": 40}}, trace("a"), trace("b", completion_tokens=41), "41 tokens"),
        ({"length": {"low": 20, "unit": "words"}}, trace("a"), trace("b", text="so 12"), "2 words"),
        ({"difficulty": {"high": 0.5}}, trace("a"), trace("b"), "pass rate 1.00"),
        ({"only": {"subject": ["a"], "level": ["1", "2"]}}, trace("a"), trace("b"), "subject b"),
        ({"contains": {"any": ["eleven", "ten"]}}, trace("a"), trace("b", text="so 12"), "none of them"),
        ({"lacks": {"any": ["Wait"]}}, trace("a"), trace("b", text="Wait, no"), "'Wait' in it"),
        ("no_duplicate", trace("a"), trace("a", 1, text=TEXT.upper()), "the same as sample 0"),
        ({"no_duplicate": {"of": "problem"}}, trace("a"), trace("b", problem="problem a"), "the same as problem a"),
        ("no_near_duplicate", trace("a"), trace("a", 1, text=TEXT + "Yes."), r"\d\d% like sample 0"),
        (NEAR, trace("a", problem=TEXT), trace("b", problem=TEXT + "So"), "% like problem a"),
        ("decontaminated", trace("a"), trace("b", problem=COPY), r"92% of it in test-1: how many of the nine hats"),
        ({"decontaminated": {"n": 13}}, trace("a"), trace("b", problem=COPY), r"92% of it in test-1: how many"),
        ({"decontaminated": {"share": 0.5}}, trace("a", problem=PHRASE), trace("b", problem=COPY), r"92% of it in"),
        ("decontaminated", trace("a"), trace("b", problem=PHRASE), r"35% of it in test-1: how many of the nine hats"),
    ],
)  # fmt: skip
def test_each_filter_says_what_it_removed_and_why(spec, stays, goes, why):
    found = filter_traces([stays, goes], [spec], POOL)
    assert found.kept == [stays] and list(found.removed.values()) == [1]
    (label,) = found.removed
    assert found.outcomes.keys() == {goes.key} and found.outcomes[goes.key][0] == label
    assert found.examples[label] == [f"{goes.problem_id}, sample {goes.sample}: {found.outcomes[goes.key][1]}"]
    assert re.search(why, found.outcomes[goes.key][1])


def test_contested_leaves_both_arms_the_same_problems():
    traces = [trace("a"), trace("a", 1, correct=False), trace("b"), trace("c", correct=False)]
    right = filter_traces(traces, ["contested", "correct"]).kept
    wrong = filter_traces(traces, ["contested", "wrong"]).kept
    assert [row.key for row in right] == [("a", 0, "")] and [row.key for row in wrong] == [("a", 1, "")]


def test_samples_of_different_problems_are_no_duplicates():
    assert filter_traces([trace("a"), trace("b")], ["no_duplicate", "no_near_duplicate"]).removed == {
        "no_duplicate": 0,
        "no_near_duplicate": 0,
    }


def test_filters_go_in_order_and_every_row_has_a_fate():
    traces = [
        trace("a"),
        trace("a", 1, correct=False),
        trace("b", finish_reason="length", correct=False),
        trace("b", 1),
    ]
    found = filter_traces(traces, ["finished", "correct", {"length": {"low": 1}}])
    assert found.removed == {"finished": 1, "correct": 1, "length (low 1)": 0}
    fates = row_outcomes(found, [traces[3]])
    assert [fate[3] for fate in fates] == ["kept", "correct", "finished", "chosen"]
    assert [fate[:3] for fate in fates] == [[*row.key] for row in traces]


def test_three_examples_are_kept():
    traces = [trace("a"), *(trace(f"x{n}", correct=False, answer=str(n)) for n in range(5))]
    assert len(filter_traces(traces, ["correct"]).examples["correct"]) == 3


def test_the_filter_that_leaves_nothing_is_named():
    with pytest.raises(
        BadInput, match=r"filter correct removed all 1 traces that were left of 2 \(finished removed 1\)"
    ):
        filter_traces([trace("a", correct=False), trace("b", finish_reason="length")], ["finished", "correct"])
    assert filter_traces([], ["correct"]).kept == []


def test_two_expected_answers_for_one_problem_are_refused():
    other = trace("a", 1).model_copy(update={"expected_answer": "13"})
    with pytest.raises(BadInput, match="problem a: expected answer '12' in one trace and '13' in sample 1; fix"):
        filter_traces([trace("a"), other], [])


def test_lengths_of_mixed_units_and_tokenizers_are_refused():
    with pytest.raises(BadInput, match="no number of tokens is known; give a tokenizer, or count all traces in words"):
        filter_traces([trace("a"), trace("b", completion_tokens=None)], [{"length": {"low": 1}}])
    other = trace("b").model_copy(update={"model": "other"})
    with pytest.raises(BadInput, match="tokens of other beside tokens of m; give one tokenizer for all"):
        filter_traces([trace("a"), other], [{"length": {"low": 1}}])


@pytest.mark.parametrize(
    "spec, message",
    [
        ("corect", "filter 'corect' is not known; did you mean correct"),
        ({"length": {"lo": 1}}, "filter length: key 'lo': .*; its parameters: low, high, unit, tokenizer"),
        ({"length": {"low": 9, "high": 1}}, "high 1 is below low 9"),
        ({"length": {"unit": "pages"}}, "filter length: key 'unit'"),
        ({"correct": {}, "finished": {}}, "one name and its parameters are needed"),
        ({}, "one name and its parameters are needed"),
    ],
)
def test_a_filter_that_is_written_wrongly(spec, message):
    with pytest.raises(BadInput, match=message):
        read_filter(spec)


def test_what_a_filter_needs_and_lacks_is_said():
    for spec, message in [
        ("decontaminated", "no benchmark to hold against"),
        ({"difficulty": {"high": 0.5}}, "problem a: its difficulty is not known; name a difficulty_model"),
        ({"only": {"subject": ["a"]}}, "problem a has no subject; give it one"),
    ]:
        with pytest.raises(BadInput, match=message):
            filter_traces([trace("a")], [spec])
