import json
import os
import re

import nbformat
import pandas as pd
import papermill
import pytest
from html_pages import loads_nothing
from synthetic_study import ARMS, make_study

from longcot.files.paths import ROOT
from longcot.report.page import write_report
from longcot.traces.trace import read_traces, write_traces

NOTEBOOK = ROOT / "notebooks/04_plot_evaluation.ipynb"
FIGURES = "ranked_arms accuracy_by_traces differences accuracy_by_part pass_at_k votes conditions".split()
FIGURES += "response_lengths behaviours accuracy_by_property training_loss".split()


def execute(folder, parameters) -> None:
    """Run the notebook as the study does."""
    (folder / "notebooks").mkdir(exist_ok=True)
    executed = str(folder / "notebooks/04_plot_evaluation.ipynb")
    papermill.execute_notebook(str(NOTEBOOK), executed, parameters, kernel_name="python3", progress_bar=False, cwd=ROOT)


def sections(html: str) -> list[str]:
    """The headings of a report's acts and sections."""
    return re.findall(r"<h[23]>(.*?)</h", html)


def test_plot_evaluation(tmp_path):
    parameters = make_study(tmp_path, count=16)
    for task, value in zip(parameters["tasks"][7:9], ("bad", "few"), strict=True):
        task["condition"] = {"traces": value}
    parameters["published"] = {"claims": {"beats-larger": {"arms": ["reasoner-20-a"], "than": "instruct"}}}
    execute(tmp_path, parameters)
    arms = pd.read_csv(tmp_path / "tables/arms.csv")
    assert list(arms["arm"]) == [arm[0] for arm in ARMS] and (arms["n_samples"] == 64).all()
    for name in FIGURES:
        assert all((tmp_path / f"figures/{name}.{kind}").stat().st_size > 20 for kind in ("pdf", "png", "csv"))
    for name in ("breakdown", "differences", "curation", "claims", "published"):
        assert (tmp_path / f"tables/{name}.csv").is_file()
    manifest = json.loads((tmp_path / "tables/arms.csv.manifest.json").read_text())
    assert manifest["parameters"]["main_arm"] == "base" and not (tmp_path / "tables/superseded").exists()
    html = write_report(tmp_path).read_text()
    loads_nothing(html)
    assert html.count("<img ") == len(list((tmp_path / "figures").glob("*.png")))
    assert html.index("<table") < html.index("<img ") < html.index("<table", html.index("<img ")), "the finding first"
    assert html.count("<table") and "&lt;style" not in html and "base gets" in html and html.count("<figcaption>") == 11
    found = iter(sections(html))
    expected = [
        "Does it work?", "Arms ranked", "Accuracy against the number of training traces", "How much?",
        "Paired differences to the main arm", "Accuracy by level and subject", "At least one right of k", "Votes",
        "Conditions", "What differs?", "Length of the responses", "Behaviours",
        "Accuracy against what the training sets are like", "Training loss", "Two problems, read", "Against the paper",
        "What the paper claims", "Where the published figures were read", "Deviations from the paper", "Arms", "Read",
        "Files", "Code and provenance",
    ]  # fmt: skip
    assert all(section in found for section in expected), "in this order, and there may be others"


def test_what_a_study_has_not_is_left_out_of_its_report(tmp_path):
    """One arm of somebody's traces, one sample a problem: no curve, no training, no second arm, no claim."""
    parameters = make_study(tmp_path, ARMS[:1], count=8, samples=1) | {"problems": {}}
    execute(tmp_path, parameters)
    text = nbformat.writes(nbformat.read(tmp_path / "notebooks/04_plot_evaluation.ipynb", as_version=4))
    assert "### Votes" in text and "## How much?" in text, "the executed notebook is whole"
    html = write_report(tmp_path).read_text()
    assert {"Read", "Does it work?", "Arms ranked", "What differs?", "Arms"} <= set(sections(html))
    left_out = "How much?|Votes|Corrected labels|Conditions|Training loss|Two problems, read|What the paper claims"
    assert not set(left_out.split("|")) & set(sections(html))
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert "ranked_arms" in drawn and not drawn & {"votes", "pass_at_k", "conditions", "training_loss", "differences"}
    assert (tmp_path / "tables/breakdown.csv").read_text().count("\n") == 1
    assert "show_figure(run" in html and "tables.write()" in html and "pass_at_k" not in html


def test_grading_again_and_corrected_labels(tmp_path):
    """Every label is corrected to an answer that nobody gave, and every stored verdict is wrong."""
    parameters = make_study(tmp_path, ARMS[:2], count=8)
    file = tmp_path / "traces/base/benchmark.jsonl"
    before = [trace.correct for trace in read_traces(file)]
    write_traces(file, [trace.model_copy(update={"correct": not trace.correct}) for trace in read_traces(file)])
    labels = "".join(f"p{i}: {{upstream: '{i}', corrected: '-1', evidence: made up}}\n" for i in range(8))
    (tmp_path / "labels.yaml").write_text(labels)
    execute(tmp_path, parameters | {"regrade": True, "label_corrections": str(tmp_path / "labels.yaml")})
    assert [trace.correct for trace in read_traces(file)] == before
    rows = pd.read_csv(tmp_path / "tables/breakdown.csv").query("by == 'labels'").set_index(["arm", "value"])
    assert rows.loc[("base", "upstream"), "pass_at_1"] == pytest.approx(sum(before) / len(before), abs=1e-6)
    assert sum(before)
    assert rows.loc[("base", "corrected"), "pass_at_1"] == 0
    assert "Corrected labels" in sections(write_report(tmp_path).read_text())


def test_a_missing_file_is_named(tmp_path):
    parameters = make_study(tmp_path, ARMS[:2], count=8)
    os.remove(tmp_path / "traces/base-few-shot/benchmark.jsonl")
    with pytest.raises(papermill.PapermillExecutionError, match="benchmark.jsonl: no such file of traces; generate"):
        execute(tmp_path, parameters)
    assert not (tmp_path / "tables").exists()
