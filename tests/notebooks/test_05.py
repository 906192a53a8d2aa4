"""The explorer as a reader meets it: in JupyterLab, on a run directory whose every text is hostile."""

import os
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest
from browser import CHROMIUM, open_page
from hostile import MARKUP, WORDS, hostile_run, shows_as_text
from jupyter_lab import jupyter_lab
from nbconvert import HTMLExporter
from playwright.sync_api import Page, expect

from longcot.files.paths import ROOT
from longcot.traces.trace import read_traces, write_traces

NOTEBOOK = ROOT / "notebooks/05_explore_traces.ipynb"
ARM = 'arm <img src=x onerror="window.ran = 1"> $x$'


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """Five arms of 8 problems × 4 samples, all texts hostile, an arm's name too; the texts show behaviours."""
    run = tmp_path_factory.mktemp("run")
    hostile_run(run)
    (run / "traces/base-few-shot").rename(run / "traces" / ARM)
    for file in run.glob("traces/*/*.jsonl"):
        own = [
            trace.model_copy(update={"text": "Let me check. Wait, no.\n" + trace.text}) for trace in read_traces(file)
        ]
        write_traces(file, own)
    return run


@pytest.fixture(scope="module")
def executed(run_dir) -> Path:
    """The notebook as Papermill leaves it."""
    path = run_dir / "executed.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOK), str(path), {"run_dir": str(run_dir)}, kernel_name="python3", progress_bar=False, cwd=ROOT
    )
    return path


def test_without_a_reader_the_first_view_is_left(executed, tmp_path):
    notebook = nbformat.read(executed, as_version=4)
    (output,) = notebook.cells[-1].outputs
    assert "widgets" not in notebook.metadata and set(output.data) == {"text/html", "text/plain"}
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)  # without nbconvert's own scripts
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>x</title>{body}")
    shows_as_text(page, [*WORDS, "✗ wrong", "✓ correct", "The first 8 of 8 problems", "verification 1"], formulas=9)


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine (Debian's package is `chromium`)")
def test_in_jupyterlab(run_dir, executed, tmp_path):
    pictures = Path(os.environ.get("LONGCOT_SCREENSHOTS", tmp_path))
    folder = tmp_path / "project"
    (folder / "notebooks").mkdir(parents=True)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells[1].source = notebook.cells[1].source.replace('"runs/miniature"', repr(str(run_dir)))
    source = folder / "notebooks" / NOTEBOOK.name
    nbformat.write(notebook, source)
    before = source.read_text()
    shutil.copy(executed, folder)
    with jupyter_lab(folder) as address, open_page(address(f"notebooks/{NOTEBOOK.name}"), height=1400) as opened:
        page = opened.page
        page.set_default_timeout(30_000)
        run_all(page)
        picture(page, pictures / "explorer.png")
        choose_and_read(page)
        saved(page, source)
        assert source.read_text() == before  # nothing of what was run or chosen
        page.set_viewport_size({"width": 600, "height": 1400})
        picture(page, pictures / "explorer-narrow.png")
        stays_text(page)
        copy = page.context.new_page()
        copy.goto(address("executed.ipynb"))
        copy.get_by_text("JupyterLab does not trust this copy").wait_for()
        picture(copy, pictures / "explorer-static.png")
        stays_text(copy)
        assert not opened.refused and not opened.dialogs


def run_all(page: Page) -> None:
    page.get_by_text("Python 3 (ipykernel) | Idle").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator("table.dataTable tbody tr").first.wait_for()


def saved(page: Page, file: Path) -> None:
    """Save the notebook, as JupyterLab does by itself every two minutes."""
    before = file.stat().st_mtime_ns
    page.locator('[data-command="docmanager:save"]').first.click()
    for _ in range(100):
        if file.stat().st_mtime_ns != before:
            return
        page.wait_for_timeout(100)
    raise AssertionError("not saved")


def picture(page: Page, path: Path) -> None:
    """The output, from its top; the page's own scrolling hides most of it otherwise."""
    page.locator(".jp-OutputArea-output").last.evaluate("element => element.scrollIntoView()")
    page.wait_for_timeout(300)
    page.screenshot(path=path)


def menu(page: Page, name: str):
    return page.locator(".widget-dropdown", has=page.get_by_text(name, exact=True)).locator("select")


def choose_and_read(page: Page) -> None:
    """What each control does; the arms at first are base and reasoner, the worst and the best."""
    found, problem = page.get_by_text("traces pass"), page.locator(".widget-html b", has_text="../").first
    expect(found).to_have_text("8 of 8 problems; 64 of 64 traces pass.")
    expect(page.locator("table.dataTable tbody")).to_contain_text(MARKUP["handler"][:30])
    assert page.locator("math").count() >= 9

    page.get_by_role("button", name="next problem").click()
    expect(problem).to_have_text(f"../1 {MARKUP['end of a script']}")
    page.locator("table.dataTable tbody tr").nth(2).click()
    expect(problem).to_contain_text("../2 ")
    page.keyboard.press("j")
    expect(problem).to_contain_text("../3 ")
    page.get_by_placeholder("words").fill("CHECK.  wait, NO")
    page.keyboard.press("Enter")
    expect(found).to_contain_text("64 of 64 traces pass. Filters: text holds CHECK. wait, NO.")
    page.get_by_role("button", name="reset filters").click()
    expect(found).to_have_text("8 of 8 problems; 64 of 64 traces pass.")

    menu(page, "verdict").select_option(label="correct")
    expect(found).not_to_contain_text("64 of 64")
    menu(page, "verdict").select_option(label="any")
    menu(page, "wrong in").select_option(label=ARM)
    menu(page, "right in").select_option(label="reasoner")
    expect(page.locator(".facts").first).to_contain_text("✗ wrong")
    expect(page.locator(".facts", has_text="✓ correct")).to_have_count(1)
    expect(page.locator(".widget-html b", has_text="<img src=x")).to_be_visible()

    menu(page, "shows").select_option(label="verification")
    expect(found).to_contain_text("64 of 64 traces pass")
    marks = page.locator(".trace mark.backtracking")
    expect(marks).to_have_count(2)
    menu(page, "highlight").select_option(label="the answer alone")
    expect(marks).to_have_count(0)
    expect(page.locator(".trace mark.final-answer").first).to_be_visible()

    page.get_by_placeholder("file:line").fill("traces/reasoner-20-a/benchmark.jsonl:3")
    page.keyboard.press("Enter")
    expect(page.locator(".widget-html b", has_text="reasoner-20-a")).to_be_visible()
    first_menu = page.locator(".widget-dropdown select", has=page.locator("option", has_text="sample 0")).first
    expect(problem).to_contain_text("../0 ")
    assert "sample\xa02" in first_menu.evaluate("menu => menu.selectedOptions[0].text")


def stays_text(page: Page) -> None:
    """Nothing of the hostile texts has acted or is an element."""
    assert page.evaluate("window.ran") is None
    output = page.locator(".jp-OutputArea-output").last
    made = (
        "iframe, object, embed, form, base, script, link, img, a[href*=javascript], [onerror], [onload], mjx-container"
    )
    assert output.locator(made).count() == 0
    assert all(word in output.inner_text() for word in ("alert(1)", "onerror=", "⟨U+001B⟩[31m", "⟨U+202E⟩"))
