import os
import random
import re
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import make_study

from longcot import tables
from longcot.files.errors import BadInput
from longcot.files.writing import write_table
from longcot.grading.grade import grade
from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems
from longcot.report.examples import example_html
from longcot.traces.importing import import_traces
from longcot.traces.trace import Trace, read_traces, write_traces

BENCHMARK = [
    Problem(id="p1", problem="?", expected_answer="1/2", level="10", subject="b"),
    Problem(id="p2", problem="?", expected_answer="7", level="2", subject="a"),
]


def write_arm(folder: Path, name: str, answers: dict[str, list[str]], graded: bool = True, **fields) -> dict:
    expected = {problem.id: problem.expected_answer for problem in BENCHMARK}
    traces = [
        Trace(
            problem_id=problem,
            sample=sample,
            problem="?",
            expected_answer=expected.get(problem, "0"),
            model="m",
            text=f"It is \\boxed{{{answer}}}.",
            **({"finish_reason": "stop", "completion_tokens": 10} | fields),
        )
        for problem, given in answers.items()
        for sample, answer in enumerate(given)
    ]
    write_traces(folder / name, grade(traces) if graded else traces)
    return {"name": name, "model": "m", "traces": name}


def test_scores_of_an_arm(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["0.5", "\\frac12", "3", "3"], "p2": ["7", "1", "2", "3"]})
    table = tables.arms_table(tables.read_results(tmp_path, [arm], BENCHMARK, "base"))
    row = table.iloc[0]
    assert row["pass_at_1"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    # The two spellings of a half vote together and tie with the two 3s; the four answers of p2 tie.
    assert row["maj_at_k"] == pytest.approx((1 / 2 + 1 / 4) / 2) and row["k"] == 4
    assert (row["mean_tokens"], row["finished"], row["n_problems"], row["n_samples"]) == (10, 1, 2, 8)
    assert row["pass_at_1_low"] < row["pass_at_1"] < row["pass_at_1_high"]


def test_scores_with_corrected_labels_stand_beside_the_upstream_ones(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1/2", "2", "2", "2"], "p2": ["7", "7", "7", "1"]})
    results = tables.read_results(tmp_path, [arm], BENCHMARK, "base")
    rows = tables.breakdown_table(results, BENCHMARK, {"p1": "2"}).query("by == 'labels'").set_index("value")
    assert rows.loc["upstream", "pass_at_1"] == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert rows.loc["corrected", ["pass_at_1", "maj_at_k"]].tolist() == pytest.approx([(3 / 4 + 3 / 4) / 2, 1])
    assert tables.arms_table(results).loc[0, "pass_at_1"] == rows.loc["upstream", "pass_at_1"], "the set's own labels"
    assert "labels" not in set(tables.breakdown_table(results, BENCHMARK)["by"])


def test_several_samples(tmp_path):
    """Three of four right on one problem, one of four on the other, whose wrong answers agree or not."""
    arm = write_arm(tmp_path, "base", {"p1": ["1/2", "0.5", "1/2", "3"], "p2": ["7", "1", "1", "3"]})
    one = write_arm(tmp_path, "one", {"p1": ["1/2"], "p2": ["3"]})
    results = tables.read_results(tmp_path, [arm, one], BENCHMARK, "base")
    found = tables.pass_at_k_table(results).set_index(["arm", "k"])["value"]
    assert found["base"].tolist() == pytest.approx([(3 / 4 + 1 / 4) / 2, (1 + 1 / 2) / 2, (1 + 3 / 4) / 2, 1])
    assert found["one"].to_dict() == {1: 0.5}
    votes = tables.votes_table(results).set_index(["arm", "k"])["value"]
    # Of two votes on p1 half are split with the 3; on p2 a 7 never wins alone, and of three once in four three ways.
    assert votes["base"].tolist() == pytest.approx([1 / 2, (3 / 4 + 1 / 4) / 2, (1 + 1 / 6) / 2, 1 / 2])
    scores = tables.arms_table(results).set_index("arm")
    first = tables.pass_at_k_table(results).query("k == 1").set_index("arm")
    assert (first["low"] == scores["pass_at_1_low"]).all() and (first["high"] == scores["pass_at_1_high"]).all()
    assert votes["base"][4] == scores.loc["base", "maj_at_k"]


def test_behaviours_in_a_thousand(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1"] * 6}, completion_tokens=50)
    traces = [t.model_copy(update={"text": "Let me double-check. " + t.text}) for t in read_traces(tmp_path / "base")]
    write_traces(tmp_path / "base", traces)
    table = tables.behaviours_table(tables.read_results(tmp_path, [arm], [], "base")).set_index("behaviour")
    row = table.loc["verification"]
    assert (row["count"], row["length"], row["rate"]) == (4, 200, 20), "of the first four samples"
    assert table.loc["hedging", "rate"] == 0 and set(table["unit"]) == {"tokens"}


def test_draws_of_as_many_traces_have_one_mean(tmp_path):
    given = make_study(tmp_path, count=16)
    results = tables.read_results(tmp_path, given["arms"], load_problems(**given["problems"]), "base")
    table = tables.by_traces_table(results).set_index("arm")
    draws = table.loc[["reasoner-20-a", "reasoner-20-b", "reasoner-20-c"]]
    assert (draws["n_draws"] == 3).all() and (draws["mean"] - draws["pass_at_1"].mean()).abs().max() < 1e-12
    assert (draws["mean_low"] < draws["mean"]).all() and draws["mean_high"].nunique() == 1
    alone = table.loc["reasoner-5"]
    assert alone["mean_low"] == alone["pass_at_1_low"] and pd.isna(table.loc["base", "mean"])


def test_training_sets_measured(tmp_path):
    given = make_study(tmp_path, count=8)
    results = tables.read_results(tmp_path, given["arms"], load_problems(**given["problems"]), "base")
    table = tables.properties_table(results, tmp_path).set_index("arm")
    assert list(table.index) == [arm["name"] for arm in given["arms"] if arm["n_train"]]
    row = table.loc["reasoner-5"]
    assert (row["mean_length"], row["level"], row["base_pass_rate"]) == pytest.approx((92, 2.2, 0.5))
    assert row["varied"] == "reasoner traces" and 0 < row["distance"] < 1
    assert pd.isna(table.loc["reasoner-1", "distance"]), "one trace is no distance from another"
    (tmp_path / "training_sets/reasoner-5.jsonl").write_text('{"messages": []}\n')
    with pytest.raises(BadInput, match="reasoner-5.jsonl:1: no messages with role and content; give"):
        tables.properties_table(results, tmp_path)


def test_same_bytes_whatever_the_order_of_a_file(tmp_path):
    given = make_study(tmp_path, count=16)
    written = []
    for _ in range(2):
        benchmark = load_problems(**given["problems"])
        results = tables.read_results(tmp_path, given["arms"], benchmark, "base")
        write_table(tmp_path / "arms.csv", tables.arms_table(results)[list(tables.ARMS)])
        write_table(tmp_path / "breakdown.csv", tables.breakdown_table(results, benchmark)[list(tables.BREAKDOWN)])
        written.append([(tmp_path / name).read_text() for name in ("arms.csv", "breakdown.csv")])
        for arm in given["arms"]:
            traces = read_traces(tmp_path / arm["traces"])
            random.Random(1).shuffle(traces)
            write_traces(tmp_path / arm["traces"], traces)
    assert written[0] == written[1]
    arms, breakdown = written[0]
    assert arms.splitlines()[0] == (
        "arm,model,n_train,pass_at_1,pass_at_1_low,pass_at_1_high,maj_at_k,k,mean_tokens,finished,n_problems,n_samples"
    )
    assert [line.split(",")[0] for line in arms.splitlines()[1:]] == [arm["name"] for arm in given["arms"]]
    assert breakdown.startswith("arm,by,value,pass_at_1,") and "\nbase,subject,power," in breakdown


def test_parts_in_order_and_empty_where_none_is_stated(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1/2"], "p2": ["8"]})
    results = tables.read_results(tmp_path, [arm], BENCHMARK, "base")
    parts = tables.breakdown_table(results, BENCHMARK)
    assert list(zip(parts["by"], parts["value"], parts["pass_at_1"], strict=True)) == [
        ("level", "2", 0), ("level", "10", 1), ("subject", "b", 1), ("subject", "a", 0),
    ]  # fmt: skip
    assert tables.breakdown_table(results, []).empty


def test_roles_and_sources(tmp_path):
    given = make_study(tmp_path, count=8)
    results = tables.read_results(tmp_path, given["arms"], load_problems(**given["problems"]), "base")
    who = {r.arm.name: (r.role, r.source) for r in results}
    assert who["base"] == ("main", "")
    assert who["reasoner"] == ("reference", "reasoner")  # it wears the colour of the traces that it wrote
    assert who["base-few-shot"] == ("reference", "reasoner")
    assert who["instruct-20"] == ("fine-tuned", "instruct")
    losses = tables.loss_table(results)
    assert set(losses["arm"]) == {name for name, (role, _) in who.items() if role == "fine-tuned"}


def test_arms_that_bring_their_own_problems(tmp_path):
    arms = [
        write_arm(tmp_path, "base", {"p1": ["1/2"], "p2": ["8"]}, completion_tokens=None, finish_reason=None),
        write_arm(tmp_path, "other", {"p2": ["7"], "elsewhere": ["0"]}),
        write_arm(tmp_path, "apart", {"elsewhere": ["0"]}),
    ]
    results = tables.read_results(tmp_path, arms, [], "base")
    differences = tables.differences_table(results)
    assert list(differences["arm"]) == ["other"] and differences["n_problems"][0] == 1
    assert differences["difference"][0] == 1
    lengths = tables.lengths_table(results)  # one arm says no tokens: words for all
    assert set(lengths["unit"]) == {"words"} and set(lengths["p50"]) == {3}
    assert list(lengths["ending"]) == ["not stated", "finished", "finished"]


def test_bad_input_says_the_file_and_the_fix(tmp_path):
    whole = write_arm(tmp_path, "whole.jsonl", {"p1": ["1"], "p2": ["7"]})
    half = write_arm(tmp_path, "half.jsonl", {"p1": ["1"]})
    other = write_arm(tmp_path, "other.jsonl", {"p1": ["1"], "p2": ["7"], "p9": ["7"]})
    raw = write_arm(tmp_path, "raw.jsonl", {"p1": ["1"], "p2": ["7"]}, graded=False)
    missing = {"name": "missing", "model": "m", "traces": "missing.jsonl"}
    for arms, message in [
        ([missing], "missing.jsonl: no such file of traces; generate"),
        ([half], "half.jsonl: 1 of 2 problems have no trace; generate"),
        ([other], "other.jsonl: 'p9' is not in the benchmark; mend"),
        ([raw], r"raw.jsonl: \('p1', 0, ''\) is not graded; run longcot regrade on the file"),
        ([whole, whole], "a name stands twice"),
        ([whole | {"colour": "red"}], "'colour'.*mend the parameter"),
    ]:
        with pytest.raises(BadInput, match=message):
            tables.read_results(tmp_path, arms, BENCHMARK, arms[0]["name"])
    with pytest.raises(BadInput, match="no arm 'bass'; use one of whole"):
        tables.read_results(tmp_path, [whole], BENCHMARK, "bass")


def test_examples_are_safe_html_with_formulas(tmp_path):
    given = make_study(tmp_path, count=8)
    results = tables.read_results(tmp_path, given["arms"], load_problems(**given["problems"]), "base")
    shown = example_html(results, 200)
    assert shown.count("<h3>") == 2 and shown.count("<h4>") == 4 and "<h4>base: wrong" in shown
    assert "characters left out" in shown and "<math" in shown
    assert not re.search(r"<script|<img|\x1b", shown) and "&lt;script" in shown


def test_real_traces(tmp_path):
    data = os.environ.get("LONGCOT_DATA")
    if not data:
        pytest.skip("LONGCOT_DATA is not set: no real traces here")
    keys = {
        "problem": "problem",
        "expected_answer": "expected_answer",
        "text": "generation",
        "problem_id": "problem_id",
    }
    arms = []
    for name in ("qwen_math_cot100_multisample", "skyt1_short_cot"):
        lines = (Path(data) / f"traces/{name}.jsonl").read_text().splitlines()[:40]
        (tmp_path / f"{name}.raw").write_text("\n".join(lines))
        write_traces(tmp_path / name, grade(import_traces(tmp_path / f"{name}.raw", keys)))
        arms.append({"name": name, "model": "m", "traces": name})
    table = tables.arms_table(tables.read_results(tmp_path, arms, [], arms[0]["name"]))
    assert list(table["n_samples"]) == [40, 40] and list(table["k"]) == [8, 1]
    assert table["pass_at_1"].between(0.2, 1).all() and table["mean_tokens"].isna().all()
