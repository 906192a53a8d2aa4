"""What a reader expects of every notebook and of the README."""

import re
import subprocess
import sys

import nbformat
import pytest

from longcot.files import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_for_reading(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, *cells = notebook.cells
    assert first.cell_type == "markdown"
    for word in ("Question", "aper", "**In", "**Out", "Hardware"):
        assert word in first.source, f"the first cell does not say {word}"
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for cell in cells:
        if cell.cell_type != "code":
            continue
        assert not cell.outputs and cell.execution_count is None, "committed with outputs"
        assert not re.search(r"^\s*(def|class|%|!)", cell.source, re.M), "logic belongs in lib/"
        if cell is not tagged[0]:
            assert cell.source.count("\n") < 15, cell.source
    for line in tagged[0].source.split("\n"):
        if re.match(r"\w", line):
            assert re.match(r"\w+: (str|int|float|bool|list|dict|Optional\[\w+\]) = .+  # \w", line), line


def test_the_package_imports_lightly():
    """What the planner and spawned workers import: no torch, no transformers, no pandas."""
    code = (
        "import sys, longcot.jobs, longcot.grading, longcot.traces; print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_the_readme_keeps_its_word():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.M))
    commands = re.findall(r"`make (\w+)", readme) + re.findall(r"^make (\w+)", readme, re.M)
    assert {"study", "test"} <= set(commands) <= targets
    for target in sorted(set(commands)):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    links = re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", readme)
    for path in links + re.findall(r"^[├└│ ]*── (\S+)", readme, re.M):
        assert list(ROOT.rglob(path.rstrip("/"))), f"the README names {path}, which is not there"
