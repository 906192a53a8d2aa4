import json
import re

import nbformat
import pandas as pd
import papermill
import pytest
from html_pages import loads_nothing
from synthetic_pools import make_pools

from longcot.curation.training_set import read_rows
from longcot.files.paths import ROOT
from longcot.report.explorer.index import read_index
from longcot.report.page import write_report

NOTEBOOK = ROOT / "notebooks/02_analyze_curation.ipynb"


def execute(folder, parameters) -> nbformat.NotebookNode:
    (folder / "notebooks").mkdir(exist_ok=True)
    executed = str(folder / "notebooks/02_analyze_curation.ipynb")
    papermill.execute_notebook(str(NOTEBOOK), executed, parameters, kernel_name="python3", progress_bar=False, cwd=ROOT)
    return nbformat.read(executed, as_version=4)


def test_curation_is_shown_and_reported(tmp_path):
    parameters = make_pools(tmp_path) | {"show": "long-hard", "deviations": ["Everything here is made up."]}
    notebook = execute(tmp_path, parameters)
    for task in parameters["tasks"]:
        rows = [json.loads(line) for line in (tmp_path / task["training_set"]).open()]
        assert len(rows) == task["data"]["n"] and (tmp_path / f"{task['training_set']}.datasheet.md").is_file()
    for name in ("filters", "spreads", "places", "profiles_0"):
        assert all(
            (tmp_path / f"figures/curation_{name}.{kind}").stat().st_size > 100 for kind in ("pdf", "png", "csv")
        )
    sets = pd.read_csv(tmp_path / "tables/sets.csv").set_index("set")
    assert list(sets.index) == ["length: long", "long-hard", "short-easy", "short-hard"]
    assert sets.loc["long-hard", "mean_pass_rate"] == 0 and sets.loc["length: long", "traces"] == 6
    assert list(pd.read_csv(tmp_path / "tables/pools.csv")["pool"]) == ["long", "short"]
    text = nbformat.writes(notebook)
    assert "not no_loop" in text and "long-hard in training_sets/long-hard.jsonl" in text
    index, places = read_index(tmp_path), set(re.findall(r"<td>(traces/\S+?:\d+)</td>", text))
    chosen = {(row["problem_id"], row["sample"]) for row in read_rows(tmp_path / "training_sets/long-hard.jsonl")}
    found = [index.table.loc[index.find(place)] for place in places]
    assert {(row["problem_id"], row["sample"]) for row in found} == chosen
    html = write_report(tmp_path).read_text()
    loads_nothing(html)
    assert html.count("<img ") == 4 and "Everything here is made up." in html and "Data sheet: long-hard" in html


def test_no_subjects_levels_or_difficulty_is_no_error(tmp_path):
    parameters = make_pools(tmp_path) | {"problems": {}, "difficulty_traces": ""}
    parameters["tasks"] = parameters["tasks"][:2]
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/curation_profiles_0.png").touch()  # of a run before
    execute(tmp_path, parameters)
    assert not list((tmp_path / "figures").glob("curation_profiles*")), "no two pools have a problem in common"
    html = write_report(tmp_path).read_text()
    assert "What came in" in html and "Difficulty" not in html and "Pools at equal problems" not in html
    assert "Deviations from the paper" not in html


def test_an_arm_that_cannot_be_filled_is_named(tmp_path):
    parameters = make_pools(tmp_path)
    parameters["tasks"][1]["data"]["n"] = 60
    with pytest.raises(papermill.PapermillExecutionError, match="arm long-b: 60 traces wanted"):
        execute(tmp_path, parameters)
