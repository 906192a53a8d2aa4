import json
import re

import nbformat
import pytest
from html_pages import Page, loads_nothing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from synthetic_study import HOSTILE

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.report.page import write_report

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<script>alert(1)</script><img src=https://example.com/x onerror=alert(1)><a href='javascript:alert(1)'>x</a>"
EVIL += "<iframe src=https://example.com></iframe><style>@import url(https://example.com/x.css);</style>"
MANIFEST = {
    "file": "traces/base/benchmark.jsonl",
    "sha256": "ab" * 32,
    "packages": {"torch": "2.13.0"},
    "git": {"commit": "c" * 40, "dirty": True},
    "machine": {"cores": 2},
    "seconds": 12.5,
    "peak_memory_mb": 900,
    "finished_at": "2025-01-01T00:00:00Z",
}


def write_notebook(run, outputs) -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# What is asked"),
            new_markdown_cell(f"## Arms ranked\n\nLook **here**. {EVIL}"),
            new_code_cell("x < y", outputs=outputs),
        ],
        metadata={"papermill": {"parameters": {"study": "A <b>study</b>"}}},
    )
    (run / "notebooks").mkdir(exist_ok=True)
    nbformat.write(notebook, run / "notebooks/04_plot_evaluation.ipynb")


@pytest.fixture
def run(tmp_path):
    """A run directory with an executed notebook, hostile in every way that a model's text could be shown."""
    data = {"text/html": f"<table><tr><th>arm</th></tr></table>{EVIL}", "text/plain": HOSTILE}
    outputs = [
        new_output("stream", name="stdout", text=HOSTILE),
        new_output("stream", name="stderr", text="read: 100%"),
        new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"}),
        new_output("execute_result", data),
        new_output("display_data", {"text/markdown": EVIL}),
        new_output("display_data", {"application/javascript": "alert(1)", "text/plain": "javascript"}),
        new_output("display_data", {"image/svg+xml": f"<svg>{EVIL}</svg>", "text/plain": "svg"}),
    ]
    write_notebook(tmp_path, outputs)
    (tmp_path / "traces/base").mkdir(parents=True)
    (tmp_path / "traces/base/benchmark.jsonl.manifest.json").write_text(json.dumps(MANIFEST))
    return tmp_path


def test_report_is_one_file_that_loads_nothing(run):
    html = write_report(run).read_text()
    loads_nothing(html)
    page = Page(html)
    text = "".join(page.texts)
    assert HOSTILE.split(" \x1b")[0] in text  # as text, every character of it
    assert ("img", {"alt": "Arms ranked", "src": f"data:image/png;base64,{PNG}"}) in page.tags
    assert "A <b>study</b>" in text and "read: 100%" not in text
    assert ("table", {}) in page.tags and ("details", {"class": "code"}) in page.tags


def test_sections_that_show_nothing_are_left_out(tmp_path):
    """With their code; a heading stays where anything below it does, and a text without code stays."""
    nothing = [new_output("stream", name="stderr", text="read: 100%"), new_output("display_data", {"text/html": " "})]
    something = [new_output("stream", name="stdout", text="here")]
    cells = [new_markdown_cell("# Title"), new_code_cell("setup")]
    for text, outputs in (
        ("## Empty", None), ("### First of empty", nothing), ("Second of empty", []), ("## Half", []),
        ("### Kept", nothing), ("Stays", something), ("Goes", nothing), ("## Words", None), ("### Told", None),
    ):  # fmt: skip
        cells.append(new_markdown_cell(text))
        cells += [] if outputs is None else [new_code_cell(f"code of {text}", outputs=outputs)]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks/04_plot_evaluation.ipynb")
    html = write_report(tmp_path).read_text()
    left = re.findall(r"(?:<p>|<h\d>)(.*?)<|<pre>(setup|code of .*?)</pre>", html.split("Provenance")[0])
    assert [text or code for text, code in left][1:] == [
        "Title", "setup", "Half", "code of ## Half", "Kept", "code of ### Kept", "Stays", "code of Stays", "Words",
        "Told",
    ]  # fmt: skip


def test_provenance_at_the_end(run):
    html = write_report(run).read_text()
    end = html.split("Provenance")[1]
    for figure in ("traces/base/benchmark.jsonl", "ab" * 6, "cccccccccc+", "12.5", "900", "cores 2", "torch 2.13.0"):
        assert figure in end


def test_bad_input(run, capsys, tmp_path):
    manifest = next(run.rglob("*.manifest.json"))
    manifest.write_text("{}")
    with pytest.raises(BadInput, match="benchmark.jsonl.manifest.json: not a manifest; make"):
        write_report(run)
    manifest.unlink()
    notebook = run / "notebooks/04_plot_evaluation.ipynb"
    write_notebook(run, [new_output("error", ename="BadInput", evalue="no", traceback=[])])
    with pytest.raises(BadInput, match="04_plot_evaluation.ipynb: was not run to its end; run it again"):
        write_report(run)
    notebook.write_text("torn")
    with pytest.raises(BadInput, match="04_plot_evaluation.ipynb: not a notebook"):
        write_report(run)
    notebook.unlink()
    assert main(["report", str(run)]) == 1
    assert re.fullmatch(
        "error: 04_plot_evaluation.ipynb: no executed notebook; run .* first\n", capsys.readouterr().err
    )
    assert not (run / "report.html").exists()
