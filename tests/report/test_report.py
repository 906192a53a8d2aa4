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


def write_cells(folder, notebook, sections, **parameters) -> None:
    """An executed notebook of (text, code or None, outputs) each."""
    cells = [new_markdown_cell("# 04 Title\n\n**Question.** Does it work?")]
    for text, code, outputs in sections:
        cells += [new_markdown_cell(text), *([] if code is None else [new_code_cell(code, outputs=outputs)])]
    metadata = {"papermill": {"parameters": parameters}}
    (folder / "notebooks").mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), folder / f"notebooks/{notebook}.ipynb")


def said(words: str = "here"):
    return [new_output("stream", name="stdout", text=words)]


def headings(html: str) -> list[str]:
    return re.findall(r"<h[1-5]>(.*?)</h|<summary>(.*?)</s", html)


def test_sections_that_show_nothing_are_left_out(tmp_path):
    """A heading stays where anything below it does, and a text without code stays."""
    nothing = [new_output("stream", name="stderr", text="read: 100%"), new_output("display_data", {"text/html": " "})]
    rows = [
        ("## Empty", None, []), ("### First of empty", "x", nothing), ("Second of empty", "x", []),
        ("## Half", "x", []), ("### Kept", "x", nothing), ("Stays", "x", said()), ("Goes", "x", nothing),
        ("## Words", None, []), ("### Told", None, []),
    ]  # fmt: skip
    write_cells(tmp_path, "04_plot_evaluation", rows)
    html = write_report(tmp_path).read_text()
    left = re.findall(r"<(?:p|h[23])>(\w[\w ]*)</", html.split("</nav>")[1].split("<details")[0])
    assert left == ["Half", "Kept", "Stays", "Words", "Told"]


def test_the_order_of_a_report(tmp_path):
    """Title and question, contents, the acts with that of curation, and at the end, folded, what few will read."""
    evaluation = [("## Read", "a", said("read 1")), ("## Does it work?", "b", said()), ("### Ranked", "c", said())]
    write_cells(tmp_path, "04_plot_evaluation", [*evaluation, ("## Against the paper", "d", said())])
    curation = [
        ("## Read", "e", said("read 2")),
        ("## Filters", "f", said()),
        ("## Its data sheet", "g", said("sheet")),
    ]
    write_cells(tmp_path, "02_analyze_curation", curation)
    html = write_report(tmp_path).read_text()
    assert [heading or f"({folded})" for heading, folded in headings(html)][1:] == [
        "Does it work?", "Ranked", "Which traces were chosen", "Filters", "(Its data sheet)", "Its data sheet",
        "Against the paper", "(what was read)", "Read", "(what was read)", "Read",
        "(about the notebook that this report is made of)", "04 Title", "Files", "Code and provenance",
        "(the code of this report)", "(what made each file of this run, from the manifests beside them)",
    ]  # fmt: skip
    contents = re.findall(r'<li class="level(\d)"><a href="#(.*?)">(.*?)</a>', html)
    assert contents[:4] == [
        ("2", "does-it-work", "Does it work?"), ("3", "ranked", "Ranked"),
        ("2", "which-traces-were-chosen", "Which traces were chosen"), ("3", "filters", "Filters"),
    ]  # fmt: skip
    assert all(html.count(f'id="{anchor}"') == 1 for _, anchor, _ in contents)
    assert '<p class="question">Does it work?</p>' in html
    assert [html.index(f"<pre>{code}</pre>") for code in "abcdefg"] == sorted(
        html.index(f"<pre>{code}</pre>") for code in "abcdefg"
    )


def test_a_long_table_is_folded(tmp_path):
    rows = [new_output("execute_result", {"text/html": f"<table>{'<tr><td>x</td></tr>' * count}</table>"})
            for count in (10, 50)]  # fmt: skip
    write_cells(tmp_path, "04_plot_evaluation", [("## Short", "a", rows[:1]), ("## Long", "b", rows[1:])])
    html = write_report(tmp_path).read_text()
    assert "<summary>table of 50 rows</summary>" in html and html.count("<summary>table of") == 1


def test_what_a_figure_is_and_the_files_beside_it(tmp_path):
    """A picture is named by the figure that made it, with a sentence of its table and links to what is there."""
    pictures = [new_output("display_data", {"image/png": PNG})]
    rows = [("## Ranked", 'show_figure(run, "ranked_arms", alone)', pictures)]
    rows.append(("## Profiles", 'show_figure(run, "curation_profiles", m, each="company")', pictures * 2))
    write_cells(tmp_path, "04_plot_evaluation", rows)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/ranked_arms.csv").write_text("arm,pass_at_1\na <b>,0.5\nz,0.25\n")
    for name in ("ranked_arms.pdf", "curation_profiles_0.csv", "curation_profiles_10.csv"):
        (tmp_path / f"figures/{name}").write_text("")
    (tmp_path / "traces.html").write_text("")
    html = write_report(tmp_path).read_text()
    loads_nothing(html)
    assert re.findall(r'<figure id="(.*?)"', html) == [
        "figure-ranked_arms", "figure-curation_profiles_0", "figure-curation_profiles_10"
    ]  # fmt: skip
    assert "<figcaption>2 arms, from a &lt;b&gt; (50.0%) to z (25.0%)." in html
    links = [dict(attributes)["href"] for tag, attributes in Page(html).tags if tag == "a"]
    assert {"figures/ranked_arms.pdf", "figures/ranked_arms.csv", "traces.html"} <= set(links)
    assert "notebooks/04_plot_evaluation.ipynb" in links and "figures/curation_profiles_0.pdf" not in links


def test_provenance_at_the_end(run):
    html = write_report(run).read_text()
    assert "Finished 2025-01-01, on 2 cores." in html.split("Contents")[0]
    end = html.split("Code and provenance")[-1]
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
