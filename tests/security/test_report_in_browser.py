import papermill
import pytest
from hostile import FORMULAS, RAN, TEXT, WORDS, hostile_run, shows_as_text
from html_pages import loads_nothing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

from longcot.files.paths import ROOT
from longcot.report.page import write_report
from longcot.report.safe_html import trace_html

NOTEBOOK = ROOT / "notebooks/04_plot_evaluation.ipynb"


def test_the_report_of_a_hostile_run(tmp_path):
    """Through notebook 04 itself, as a study makes it."""
    parameters, executed = hostile_run(tmp_path), tmp_path / "notebooks/04_plot_evaluation.ipynb"
    executed.parent.mkdir()
    papermill.execute_notebook(
        str(NOTEBOOK), str(executed), parameters, kernel_name="python3", progress_bar=False, cwd=ROOT
    )
    page = write_report(tmp_path)
    loads_nothing(page.read_text())
    shows_as_text(page, WORDS)


def test_every_way_into_the_report(tmp_path):
    """Text of a model in each kind of output, in a cell's own text and code, and in the title."""
    outputs = [new_output("display_data", {kind: f"in {kind} {TEXT}"}) for kind in ("text/markdown", "text/plain")]
    outputs.append(new_output("display_data", {"text/html": f"<p>in html {TEXT}"}))
    outputs.append(new_output("display_data", {"text/html": trace_html(f"{FORMULAS}\n{TEXT}", [(0, 40, "check")])}))
    outputs.append(new_output("stream", text=f"in stdout {TEXT}"))
    cells = [new_markdown_cell("# About"), new_code_cell(f"# in code {TEXT}", outputs=outputs)]
    cells += [new_markdown_cell(f"in a cell {TEXT}"), new_markdown_cell(f"# in a heading {TEXT}")]
    notebook = new_notebook(cells=cells, metadata={"papermill": {"parameters": {"study": f"in the title {TEXT}"}}})
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/04_plot_evaluation.ipynb").write_text(writes(notebook))
    places = ("text/markdown", "text/plain", "html", "stdout", "code", "a cell", "a heading", "the title")
    shows_as_text(write_report(tmp_path), [*WORDS, *(f"in {place}" for place in places)], formulas=3)


@pytest.mark.parametrize("evil", [f"<script>{RAN}</script>", "<img src=https://example.com/x>", "\u202e", ""])
def test_the_check_can_fail(tmp_path, evil):
    (tmp_path / "x.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><title>x</title>{evil}")
    with pytest.raises(AssertionError):
        shows_as_text(tmp_path / "x.html", [] if evil else ["a word"])
