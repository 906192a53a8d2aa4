import pytest

from longcot.files.errors import BadInput
from longcot.traces.length import LengthMeasure
from longcot.traces.properties import (
    answer_type,
    compression_ratio,
    difficulties,
    loops,
    repeated_ngrams,
    scripts,
    split_thinking,
)
from longcot.traces.trace import Trace


def trace(problem: str = "a", sample: int = 0, model: str = "m", **values) -> Trace:
    given = {"text": "one two three", "correct": True, "completion_tokens": 5} | values
    return Trace(problem_id=problem, sample=sample, problem="?", expected_answer="1", model=model, **given)


def test_difficulty_is_a_pass_rate_with_wilsons_interval():
    traces = [trace("a", sample, correct=sample < 3) for sample in range(4)] + [trace("b", correct=False)]
    found = difficulties(traces)
    assert found["a"].rate == 0.75 and found["a"].samples == 4 and found["b"].rate == 0
    # Wilson 1927 by hand: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = 3/4, n = 4, z = 1.96
    assert found["a"].low == pytest.approx(0.3006, abs=1e-4) and found["a"].high == pytest.approx(0.9544, abs=1e-4)
    assert found["b"].low == 0 and found["b"].high == pytest.approx(1.96**2 / (1 + 1.96**2), abs=1e-3)


def test_difficulty_is_of_one_model_and_of_graded_traces():
    with pytest.raises(BadInput, match="'a', sample 0: not graded"):
        difficulties([trace(correct=None)])
    with pytest.raises(BadInput, match="for m and other at once; give the traces of one model"):
        difficulties([trace(), trace("b", model="other")])


def test_length_is_in_one_unit_for_all():
    assert LengthMeasure("words").of_trace(trace()) == 3 and LengthMeasure("characters").of("äö") == 2
    assert LengthMeasure("words").of("所以 x = 12，答案") == 7  # a character of a language without spaces is a word
    tokens = LengthMeasure("tokens")
    assert tokens.of_trace(trace()) == 5 and tokens.of("a text of unknown tokens") is None
    with pytest.raises(BadInput, match="'b', sample 1: no number of tokens is known; give a tokenizer, or count"):
        tokens.of_trace(trace("b", 1, completion_tokens=None))
    with pytest.raises(BadInput, match="tokens of other beside tokens of m; give one tokenizer for all, or count"):
        tokens.of_trace(trace(model="other"))
    with pytest.raises(BadInput, match="length in 'pages': the units are tokens, words, characters"):
        LengthMeasure("pages")
    with pytest.raises(BadInput, match="length in words with a tokenizer"):
        LengthMeasure("words", "m")


def test_tokens_of_a_tokenizer(tiny_model, tmp_path):
    ruler = LengthMeasure("tokens", str(tiny_model))
    assert ruler.of("check the sum") > 1
    assert ruler.of_trace(trace(text="check the sum", completion_tokens=99)) == ruler.of("check the sum")
    assert ruler.of_trace(trace(text="check", completion_tokens=None, model="other")) == ruler.of("check")
    with pytest.raises(BadInput, match="tokenizer .*: cannot be had .*; give a directory that holds it, download"):
        LengthMeasure("tokens", str(tmp_path))


@pytest.mark.parametrize(
    "text, parts",
    [
        ("<think>\nso 2\n</think>\n\nIt is 2.", ("so 2", "It is 2.")),
        ("so 2\n</think>\nIt is 2.", ("so 2", "It is 2.")),  # a chat template may open the thought itself
        ("<|begin_of_thought|>so 2<|end_of_thought|> <|begin_of_solution|>2<|end_of_solution|>", ("so 2", "2")),
        ("<think> so 2 and", ("so 2 and", "")),
        ("So it is 2.", (None, "So it is 2.")),
    ],
)
def test_thinking_and_answer_apart(text, parts):
    assert split_thinking(text) == parts


@pytest.mark.parametrize(
    "answer, kind",
    [
        ("-12", "integer"), ("32,\\!348", "integer"), ("1, 2", "list"), (".5", "decimal"),
        ("\\frac{3}{56}", "fraction"),
        ("\\frac43", "fraction"), ("90^\\circ", "percentage or unit"), ("12 cm", "percentage or unit"),
        ("\\text{(C)}", "choice"), ("(3,4]", "interval"), ("\\left(2,\\infty\\right)", "interval"), ("(1, 2)", "tuple"),
        ("\\{1, 2\\}", "set"), ("y = 2x", "equation"), ("\\text{east}", "words"),
        ("3\\sqrt{13}", "expression"), ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "matrix"), ("", "empty"),
    ],
)  # fmt: skip
def test_answer_type(answer, kind):
    assert answer_type(answer) == kind


def test_scripts_share_letters_and_leave_out_mathematics():
    assert scripts("\\alpha + x = α") == {"latin": 1.0} and scripts("1 + 2") == {}
    mixed = scripts("abc 数学 \\begin{align}")
    assert mixed == {"latin": 0.6, "han": 0.4}


def test_repeated_ngrams_is_one_less_the_distinct_share():
    assert repeated_ngrams("a b c d e f") == 0 and repeated_ngrams("a b") == 0
    assert repeated_ngrams("a b c d a b c d") == pytest.approx(1 - 4 / 5)


def test_compression_ratio_grows_with_repetition():
    assert compression_ratio("") == 1
    assert compression_ratio("the sum is even. " * 50) > 10 > 2 > compression_ratio("the sum is even, 7 and 12 and 31.")


BLOCK = "Let me add them once more and see that it is twelve. "
BEFORE = "The first is three. The second is nine. Their difference is six, which is even as it must be here. "


@pytest.mark.parametrize("after", ["", "But then the answer is 12 and no more than that is asked for."])
def test_a_loop_is_found_with_its_place(after):
    text = BEFORE + BLOCK * 5 + after
    (loop,) = loops(text)
    assert loop.times == pytest.approx(5, abs=0.7)
    inside = text[loop.start : loop.end]
    assert BLOCK.strip() * 1 in inside and len(inside) <= len(BLOCK * 5) + len(BLOCK) and "difference" not in inside


def test_what_repeats_inside_a_block_does_not_hide_the_loop():
    block = "Add one and two to get three here. Add one and two to get three again, so it is three. "
    assert [round(loop.times) for loop in loops(block * 6)] == [6]


def test_a_loop_is_found_without_spaces():
    (loop,) = loops("我们先看 x，" + "所以我们再算一次这个数，" * 9)
    assert round(loop.times) == 9


def test_no_loop_where_something_changes_or_comes_back_seldom():
    assert not loops(" ".join(f"For a = {n} the value is not a square, as {n * n} shows." for n in range(50)))
    assert not loops(BEFORE + BLOCK * 3) and not loops(BLOCK + BEFORE + BLOCK + BEFORE) and not loops("")
