import json
import os
from pathlib import Path

import pytest

from longcot.curation.contamination import neighbours, shared_ngrams
from longcot.files.errors import BadInput
from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems

PLANTED = [json.loads(line) for line in (Path(__file__).parents[1] / "planted_problems.jsonl").open()]


def problems(texts, prefix="t"):
    return [Problem(id=f"{prefix}{i}", problem=text, expected_answer="1") for i, text in enumerate(texts)]


BENCHMARK = problems((row["original"] for row in PLANTED), "b")


def written_otherwise(text: str, number: int) -> str:
    """The same problem with another look: what copies of problems differ in."""
    ways = (
        text.upper(),
        text.replace("$", "$$"),
        f"Solve the problem. {text} Put the answer in a box.",
        "\n".join(text.split()),
        text.replace("\\frac", "\\dfrac").replace(",", " ,"),
    )
    return ways[number % len(ways)]


@pytest.mark.parametrize("n", [8, 13])
def test_every_planted_copy_is_found_however_it_looks(n):
    copies = problems(written_otherwise(row["original"], i) for i, row in enumerate(PLANTED))
    found = shared_ngrams(copies, BENCHMARK, n)
    assert [(hit.problem_id[1:], hit.benchmark_id[1:]) for hit in found] == [
        (str(i), str(i)) for i in range(len(PLANTED))
    ]
    assert all(hit.share > 0.5 for hit in found)


def test_ngrams_do_not_see_a_paraphrase():
    """Known and documented: that is what neighbours are for."""
    assert not shared_ngrams(problems(row["paraphrase"] for row in PLANTED), BENCHMARK, 13)


def test_a_phrase_has_a_small_share():
    text = "A gardener plants 14 rows of tulips on Monday and sells " + "many of them to people in town " * 5
    (hit,) = shared_ngrams(problems([text]), BENCHMARK, 6)
    assert hit.shared == "a gardener plants 14 rows of tulips" and hit.benchmark_id == "b0" and hit.share < 0.2
    assert not shared_ngrams(problems([text]), BENCHMARK, 8)


def test_a_short_benchmark_problem_is_found_as_a_whole():
    short = problems(["What is 7 times 8?"], "s")
    assert shared_ngrams(problems(["Tell me: what is 7 times 8"]), short, 13)[0].share == pytest.approx(5 / 7)
    assert not shared_ngrams(problems(["What is 7 times 9?", "7 times 8", "?"]), short, 13)
    with pytest.raises(BadInput, match="0 benchmark problems"):
        shared_ngrams(short, [], 13)


def test_neighbours_are_listed_nearest_first():
    texts = [PLANTED[3]["original"], PLANTED[7]["original"] + " Give the answer in digits.", "Name a prime."]
    found = neighbours(problems(texts), BENCHMARK, 0.6)
    assert [(hit.problem_id, hit.benchmark_id) for hit in found] == [("t0", "b3"), ("t1", "b7")]
    assert found[0].similarity == pytest.approx(1) and 0.6 <= found[1].similarity < 1


def test_an_embedding_model_may_be_named(tiny_model):
    found = neighbours(problems([PLANTED[3]["original"]]), BENCHMARK, 0.99, str(tiny_model))
    assert found[0].benchmark_id == "b3"


@pytest.mark.parametrize(
    "name, n, flagged, whole",
    # One problem of the HMMT set is not in the benchmark; AMC and MATH share phrases with it ("relatively prime …").
    [("aime25", 13, 30, 30), ("hmmt_feb25_matharena", 13, 29, 29), ("amc23", 13, 10, 0), ("math500", 8, 18, 0)],
)
def test_what_real_sets_share_with_the_benchmark(name, n, flagged, whole):
    if not os.environ.get("LONGCOT_DATA"):
        pytest.skip("LONGCOT_DATA is not set: the real problem sets are in the outside data")
    benchmark = load_problems("data:problems/comp-math-24-25.jsonl")
    found = shared_ngrams(load_problems(f"data:problems/{name}.jsonl"), benchmark, n)
    assert (len(found), sum(hit.share > 0.5 for hit in found)) == (flagged, whole)


CHINESE = "一个农夫星期一种了十四行郁金香，以后每天比前一天多种三行。十天以后他一共种了多少行？"


def test_a_copy_in_a_language_without_spaces_is_found():
    benchmark = problems([CHINESE, "求方程的所有实数解之和是多少"], "c")
    copy = CHINESE.replace("，", " , ").replace("十天", "二十天")
    (hit,) = shared_ngrams(problems([copy, "小明有三个苹果，小红有五个苹果"]), benchmark, 8)
    assert (hit.problem_id, hit.benchmark_id) == ("t0", "c0") and hit.share > 0.9
