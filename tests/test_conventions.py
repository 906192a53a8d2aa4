"""What a reader expects of every notebook and of the README."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from longcot.files.paths import ROOT

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
    tree = [
        name for names in re.findall(r"^[├└│ ]*── ([^\s,]+(?:, [^\s,]+)*)", readme, re.M) for name in names.split(", ")
    ]
    for path in links + tree:
        assert list(ROOT.rglob(path.rstrip("/"))), f"the README names {path}, which is not there"


def shipped_table(study: str) -> Path:
    """The table of arms of a run that is shipped (`longcot ship`)."""
    return next((ROOT / "notebooks/results" / study).rglob("arms.csv"))


def readme_table(study: str) -> str:
    """The table of arms as the README shows it, from the run's own arms.csv."""
    lines = ["| arm | traces | pass@1 | maj@4 | tokens |", "|---|---|---|---|---|"]
    for row in pd.read_csv(shipped_table(study)).itertuples():
        interval = f"{row.pass_at_1:.1%} ({row.pass_at_1_low:.1%} to {row.pass_at_1_high:.1%})"
        lines.append(f"| {row.arm} | {row.n_train or ''} | {interval} | {row.maj_at_k:.1%} | {row.mean_tokens:.0f} |")
    return "\n".join(lines).replace("%", "")


@pytest.mark.parametrize("study", ["miniature", "miniature-world2"])
def test_the_readme_shows_the_run_that_is_shipped(study):
    assert f"<!-- table: {study} -->\n{readme_table(study)}\n" in (ROOT / "README.md").read_text()


def conditions_table(study: str) -> str:
    """The table of conditions as the README shows it, from the curation.csv of the study's three shipped runs."""
    lines = ["| what differs | world 1 | world 1, four samples | world 2, four samples |", "|---|---|---|---|"]
    files = [ROOT / f"notebooks/results/{study}{run}/tables/curation.csv" for run in ("", "-h200", "-world2-h200")]
    tables = [pd.read_csv(file).set_index(["property", "value"]) for file in files]
    for property_, value in tables[0].index:
        cells = [f"{property_}: {value}"]
        for table in tables:
            row = table.loc[(property_, value)]
            cells.append(f"{row.pass_at_1:.0%} ({row.pass_at_1_low:.0%} to {row.pass_at_1_high:.0%})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines).replace("%", "")


@pytest.mark.parametrize("study", ["curation", "human_stages"])
def test_the_readme_shows_the_conditions_that_are_shipped(study):
    assert f"<!-- table: {study} -->\n{conditions_table(study)}\n" in (ROOT / "README.md").read_text()


def test_the_miniature_shows_the_effect():
    """What the project promises of the shipped run of world 1."""
    table = pd.read_csv(shipped_table("miniature")).set_index("arm")
    score = table.pass_at_1
    assert (table.n_problems >= 128).all() and (table.n_samples >= 512).all()
    assert all(score[f"reasoner-20-{draw}"] >= score["base"] + 0.40 for draw in "abc")
    assert abs(score["instruct-20"] - score["base"]) <= 0.08
    assert (table.pass_at_1_low <= table.pass_at_1_high["reasoner"]).all()
