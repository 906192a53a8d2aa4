import json
import os
import random
import re
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import ARMS, make_study, read_study

from longcot.figures import (
    accuracy_by_part,
    accuracy_by_property,
    accuracy_by_traces,
    behaviours,
    pass_at_k,
    ranked_arms,
    response_lengths,
    training_loss,
    votes,
)
from longcot.figures.differences import differences_table
from longcot.figures.results import Result, read_results
from longcot.figures.tables import make_tables, rounded, what_arms_are
from longcot.figures.task import PlotTask
from longcot.files.errors import BadInput
from longcot.files.strict import parse_all
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


def read(folder: Path, tasks: list[dict], benchmark: list[Problem], main_arm: str) -> list[Result]:
    return read_results(folder, parse_all(PlotTask, tasks, "tasks"), benchmark, main_arm)


def test_scores_of_an_arm(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["0.5", "\\frac12", "3", "3"], "p2": ["7", "1", "2", "3"]})
    table = ranked_arms.table(read(tmp_path, [arm], BENCHMARK, "base"))
    row = table.iloc[0]
    assert row["pass_at_1"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    # The two spellings of a half vote together and tie with the two 3s; the four answers of p2 tie.
    assert row["maj_at_k"] == pytest.approx((1 / 2 + 1 / 4) / 2) and row["k"] == 4
    assert (row["mean_tokens"], row["finished"], row["n_problems"], row["n_samples"]) == (10, 1, 2, 8)
    assert row["pass_at_1_low"] < row["pass_at_1"] < row["pass_at_1_high"]


def test_scores_with_corrected_labels_stand_beside_the_upstream_ones(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1/2", "2", "2", "2"], "p2": ["7", "7", "7", "1"]})
    results = read(tmp_path, [arm], BENCHMARK, "base")
    rows = accuracy_by_part.table(results, BENCHMARK, {"p1": "2"}).query("by == 'labels'").set_index("value")
    assert rows.loc["upstream", "pass_at_1"] == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert rows.loc["corrected", ["pass_at_1", "maj_at_k"]].tolist() == pytest.approx([(3 / 4 + 3 / 4) / 2, 1])
    assert ranked_arms.table(results).loc[0, "pass_at_1"] == rows.loc["upstream", "pass_at_1"], "the set's own labels"
    assert "labels" not in set(accuracy_by_part.table(results, BENCHMARK)["by"])


def test_several_samples(tmp_path):
    """Three of four right on one problem, one of four on the other, whose wrong answers agree or not."""
    arm = write_arm(tmp_path, "base", {"p1": ["1/2", "0.5", "1/2", "3"], "p2": ["7", "1", "1", "3"]})
    one = write_arm(tmp_path, "one", {"p1": ["1/2"], "p2": ["3"]})
    results = read(tmp_path, [arm, one], BENCHMARK, "base")
    found = pass_at_k.table(results).set_index(["arm", "k"])["value"]
    assert found["base"].tolist() == pytest.approx([(3 / 4 + 1 / 4) / 2, (1 + 1 / 2) / 2, (1 + 3 / 4) / 2, 1])
    assert found["one"].to_dict() == {1: 0.5}
    voted = votes.table(results).set_index(["arm", "k"])["value"]
    # Of two votes on p1 half are split with the 3; on p2 a 7 never wins alone, and of three once in four three ways.
    assert voted["base"].tolist() == pytest.approx([1 / 2, (3 / 4 + 1 / 4) / 2, (1 + 1 / 6) / 2, 1 / 2])
    scores = ranked_arms.table(results).set_index("arm")
    first = pass_at_k.table(results).query("k == 1").set_index("arm")
    assert (first["low"] == scores["pass_at_1_low"]).all() and (first["high"] == scores["pass_at_1_high"]).all()
    assert voted["base"][4] == scores.loc["base", "maj_at_k"]


def test_behaviours_in_a_thousand(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1"] * 6}, completion_tokens=50)
    traces = [t.model_copy(update={"text": "Let me double-check. " + t.text}) for t in read_traces(tmp_path / "base")]
    write_traces(tmp_path / "base", traces)
    table = behaviours.table(read(tmp_path, [arm], [], "base")).set_index("behaviour")
    row = table.loc["verification"]
    assert (row["count"], row["length"], row["rate"]) == (4, 200, 20), "of the first four samples"
    assert table.loc["hedging", "rate"] == 0 and set(table["unit"]) == {"tokens"}


def test_draws_of_as_many_traces_have_one_mean(tmp_path):
    given = make_study(tmp_path, count=16)
    results = read_study(given)
    table = accuracy_by_traces.table(results).set_index("arm")
    draws = table.loc[["reasoner-20-a", "reasoner-20-b", "reasoner-20-c"]]
    assert (draws["n_draws"] == 3).all() and (draws["mean"] - draws["pass_at_1"].mean()).abs().max() < 1e-12
    assert (draws["mean_low"] < draws["mean"]).all() and draws["mean_high"].nunique() == 1
    alone = table.loc["reasoner-5"]
    assert alone["mean_low"] == alone["pass_at_1_low"] and pd.isna(table.loc["base", "mean"])


def test_training_sets_measured(tmp_path):
    given = make_study(tmp_path, count=8)
    results = read_study(given)
    table = accuracy_by_property.table(results, tmp_path).set_index("arm")
    assert list(table.index) == [arm["name"] for arm in given["tasks"] if arm["n_train"]]
    row = table.loc["reasoner-5"]
    assert (row["mean_length"], row["level"], row["base_pass_rate"]) == pytest.approx((92, 2.2, 0.5))
    assert row["varied"] == "reasoner traces" and 0 < row["distance"] < 1
    assert pd.isna(table.loc["reasoner-1", "distance"]), "one trace is no distance from another"
    (tmp_path / "training_sets/reasoner-5.jsonl").write_text('{"messages": []}\n')
    with pytest.raises(BadInput, match="reasoner-5.jsonl:1: no messages with role and content; give"):
        accuracy_by_property.table(results, tmp_path)


def test_same_bytes_whatever_the_order_of_a_file(tmp_path):
    given = make_study(tmp_path, count=16)
    written = []
    for _ in range(2):
        make_tables(tmp_path, read_study(given), load_problems(**given["problems"]), {}, {}, {}).write()
        written.append([(tmp_path / f"tables/{name}.csv").read_text() for name in ("arms", "breakdown")])
        for arm in given["tasks"]:
            traces = read_traces(tmp_path / arm["traces"])
            random.Random(1).shuffle(traces)
            write_traces(tmp_path / arm["traces"], traces)
    assert written[0] == written[1]
    arms, breakdown = written[0]
    assert arms.splitlines()[0] == (
        "arm,model,n_train,pass_at_1,pass_at_1_low,pass_at_1_high,maj_at_k,k,mean_tokens,finished,n_problems,n_samples"
    )
    assert [line.split(",")[0] for line in arms.splitlines()[1:]] == [arm["name"] for arm in given["tasks"]]
    assert breakdown.startswith("arm,by,value,pass_at_1,") and "\nbase,subject,power," in breakdown


def test_the_manifest_is_written_last_and_holds_the_recipe(tmp_path):
    given = make_study(tmp_path, ARMS[:2], count=8)
    manifest = tmp_path / "tables/arms.csv.manifest.json"
    values = [{"source": "x"}, {"benchmark": "", "rows": {}, "claims": {}}]
    for run in range(3):
        tables = make_tables(tmp_path, read_study(given), load_problems(**given["problems"]), {"p1": "2"}, *values)
        assert tables.making.done == (run == 1) and manifest.exists() == (run == 1)
        tables.write()
        made = json.loads(manifest.read_text())
        values[0] = {"source": "y"} if run == 1 else values[0]
    assert made["parameters"]["arms"] == given["tasks"], "what came later is left out: finished runs stay so"
    assert made["parameters"] | {"arms": []} == {
        "arms": [], "problems": {"source": "y"}, "main_arm": "base", "corrections": {"p1": "2"}, "published": values[1]
    }  # fmt: skip
    assert made["inputs"].keys() == {"benchmark.jsonl"}
    assert not (tmp_path / "tables/curation.csv").exists(), "no arm has a condition"
    set_aside = [path.name for path in (tmp_path / "tables/superseded").rglob("*.csv")]
    assert set_aside == ["arms.csv"], "a table of another recipe is not lost"


def test_what_an_arm_says_in_place_of_the_settings_is_shown(tmp_path):
    plain = PlotTask(name="base", model="m", traces="t.jsonl")
    assert list(what_arms_are([plain], tmp_path)) == ["model", "n_train", "data"]
    own = {"lora": {"rank": 1}, "sampling": {"temperature": 0.0}}
    other = plain.model_copy(update={"name": "low", "own": own, "condition": {"rank": "1"}})
    table = what_arms_are([plain, other], tmp_path)
    assert table["in place of the study's settings"].tolist() == ["", "lora.rank 1, sampling.temperature 0.0"]
    assert table.loc["low", "condition"] == "rank: 1"


def test_a_table_as_a_notebook_shows_it():
    table = pd.DataFrame({"arm": ["a", "b"], "score": [0.12345, 1], "p_corrected": [None, 1e-9], "rest": [1, 2]})
    assert rounded(table, ["score", "p_corrected"]).loc["a", "score"] == 0.123
    assert rounded(table).loc["b", "p_corrected"] == "1e-09" and "rest" in rounded(table)
    assert rounded(table[:0]) is None


def test_parts_in_order_and_empty_where_none_is_stated(tmp_path):
    arm = write_arm(tmp_path, "base", {"p1": ["1/2"], "p2": ["8"]})
    results = read(tmp_path, [arm], BENCHMARK, "base")
    parts = accuracy_by_part.table(results, BENCHMARK)
    assert list(zip(parts["by"], parts["value"], parts["pass_at_1"], strict=True)) == [
        ("level", "2", 0), ("level", "10", 1), ("subject", "b", 1), ("subject", "a", 0),
    ]  # fmt: skip
    assert accuracy_by_part.table(results, []).empty


def test_roles_and_sources(tmp_path):
    given = make_study(tmp_path, count=8)
    results = read_study(given)
    who = {r.arm.name: (r.role, r.source) for r in results}
    assert who["base"] == ("main", "")
    assert who["reasoner"] == ("reference", "reasoner")  # it wears the colour of the traces that it wrote
    assert who["base-few-shot"] == ("reference", "reasoner")
    assert who["instruct-20"] == ("fine-tuned", "instruct")
    losses = training_loss.table(results)
    assert set(losses["arm"]) == {name for name, (role, _) in who.items() if role == "fine-tuned"}


def test_arms_that_bring_their_own_problems(tmp_path):
    arms = [
        write_arm(tmp_path, "base", {"p1": ["1/2"], "p2": ["8"]}, completion_tokens=None, finish_reason=None),
        write_arm(tmp_path, "other", {"p2": ["7"], "elsewhere": ["0"]}),
        write_arm(tmp_path, "apart", {"elsewhere": ["0"]}),
    ]
    results = read(tmp_path, arms, [], "base")
    differences = differences_table(results)
    assert list(differences["arm"]) == ["other"] and differences["n_problems"][0] == 1
    assert differences["difference"][0] == 1
    lengths = response_lengths.table(results)  # one arm says no tokens: words for all
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
        ([other], "other.jsonl: 'p9' is not in the benchmark; fix"),
        ([raw], r"raw.jsonl: \('p1', 0, ''\) is not graded; run longcot regrade on the file"),
        ([whole, whole], "a name stands twice"),
        ([whole | {"colour": "red"}], "tasks.0.colour: unknown key 'colour'; known: name, model"),
    ]:
        with pytest.raises(BadInput, match=message):
            read(tmp_path, arms, BENCHMARK, arms[0]["name"])
    with pytest.raises(BadInput, match="no arm 'bass'; use one of whole"):
        read(tmp_path, [whole], BENCHMARK, "bass")


def test_examples_are_safe_html_with_formulas(tmp_path):
    given = make_study(tmp_path, count=8)
    results = read_study(given)
    shown = example_html(results, 200)
    assert shown.count("<h4>") == 2 and shown.count("<h5>") == 4 and "<h5>base: wrong" in shown
    assert "characters left out" in shown and "<math" in shown
    assert not re.search(r"<script|<img|\x1b", shown) and "&lt;script" in shown
    assert example_html(results[:1]) == "", "no second arm to read beside the main one"


def test_examples_are_of_the_file_that_was_read(tmp_path):
    results = read_study(make_study(tmp_path, ARMS[:2], count=8))
    row = [trace.key for trace in results[0].traces].index(("p3", 2, ""))
    assert results[0].whole(row) == next(t for t in read_traces(results[0].path) if t.key == ("p3", 2, ""))
    write_traces(results[0].path, read_traces(results[0].path)[1:])
    with pytest.raises(BadInput, match="benchmark.jsonl: was written anew while it was read; run the notebook again"):
        results[0].whole(row)


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
    table = ranked_arms.table(read(tmp_path, arms, [], arms[0]["name"]))
    assert list(table["n_samples"]) == [40, 40] and list(table["k"]) == [8, 1]
    assert table["pass_at_1"].between(0.2, 1).all() and table["mean_tokens"].isna().all()
