"""Arms of several runs beside each other."""

import re

import pytest
import yaml

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.metrics.intervals import holm
from longcot.metrics.scores import paired_difference
from longcot.run.comparison import compare
from longcot.traces.trace import Trace, read_traces, write_traces

MODEL = {"path": "lib/longcot/miniature/weights/world1/base"}
HOSTILE = "<script>alert(1)</script>"


def make_run(folder, arms: dict[str, int], problems: range, max_tokens: int = 100, ids: str = ""):
    """A run whose arms are right on every so-many-th problem, under ids of the run's own."""
    study = {"name": "run", "title": "t", "models": {"base": MODEL}, "main_arm": next(iter(arms))}
    study |= {"problems": {"benchmark": {"source": "miniature:test"}}, "sampling": {"max_tokens": max_tokens}}
    folder.mkdir()
    study["arms"] = [{"name": name, "model": "base"} for name in arms]
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    for name, every in arms.items():
        rows = [
            Trace(
                problem_id=f"{ids}{i}", sample=sample, problem=f"What is {i}? {HOSTILE}", expected_answer=str(i),
                model="m", text="", answer=str(i), correct=(i + sample) % every == 0, completion_tokens=5,
            )
            for i in problems
            for sample in range(2)
        ]  # fmt: skip
        write_traces(folder / f"traces/{name}/benchmark.jsonl", rows)
    return folder


def test_arms_of_runs_are_paired_over_what_they_share(tmp_path):
    one = make_run(tmp_path / "one", {"base": 5, "good": 2}, range(40))
    two = make_run(tmp_path / "two", {"base": 4, "other": 1}, range(20, 60), max_tokens=50, ids="p")
    found = compare([(one, ""), (two, "other")])
    assert found.main == "one/base" and list(found.differences["arm"]) == ["one/good", "two/other"]
    assert list(found.differences["n_problems"]) == [40, 20]
    base, good = (read_traces(one / f"traces/{name}/benchmark.jsonl") for name in ("base", "good"))
    own = paired_difference(base, good)
    row = found.differences.iloc[0]
    assert row["difference"] == pytest.approx(own["difference"]) and row["p_value"] == pytest.approx(own["p_value"])
    assert list(found.differences["p_corrected"]) == pytest.approx(holm(list(found.differences["p_value"])))
    assert "Asked otherwise than one/base: two/other (max_tokens 50, not 100)." in found.notes
    assert "Compared on fewer problems than the 40 of one/base: two/other (20)." in found.notes
    assert compare([(one, "good"), (one, "")]).main == "good", "the first that is named"


def test_what_cannot_be_compared_is_said(tmp_path):
    one, two = make_run(tmp_path / "one", {"base": 2}, range(5)), make_run(tmp_path / "two", {"base": 2}, range(9, 12))
    with pytest.raises(BadInput, match="one/base: no other arm has one of its problems"):
        compare([(one, ""), (two, "")])
    with pytest.raises(BadInput, match="no arm bas with traces of a benchmark; did you mean base?"):
        compare([(one, "bas")])
    with pytest.raises(BadInput, match="no study.yaml in it"):
        compare([(tmp_path, "")])


def test_terminal_figure_and_page(tmp_path, capsys):
    one = make_run(tmp_path / f"one & {HOSTILE.replace('/', '')}", {"base": 5, "good": 2}, range(20))
    two = make_run(tmp_path / "two", {"base": 4}, range(20))
    out = tmp_path / "compared"
    assert main(["compare", str(one), f"{two}:base", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"good +50\.0 .* \+30\.0 ", said) and "corrected for 2 comparisons (Holm)" in said
    names = {"differences.csv", "differences.pdf", "differences.png", "scores.csv", "scores.pdf", "scores.png"}
    assert {file.name for file in out.iterdir()} == names | {"comparison.html"}
    page = (out / "comparison.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "default-src 'none'" in page
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == 2
    assert main(["compare", str(one), "--out", str(out)]) == 1 and "not empty" in capsys.readouterr().err
