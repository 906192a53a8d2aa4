"""What a reader expects of every notebook and of the pages."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from longcot.files.paths import ROOT
from longcot.study.checks import check_inputs
from longcot.study.reading import load_study

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README, RESULTS = ROOT / "README.md", ROOT / "notebooks/results/README.md"
PAGES = [
    README,
    *sorted(path for room in ("notebooks", "params", "tests") for path in (ROOT / room).rglob("README.md")),
]
PROJECT_PATH = r"(?<![\w/.…])(?:lib/longcot|notebooks|params|tests)/(?!(?:x|rank|STUDY)\.yaml)[\w./-]*[\w/](?![*\w])"
FOUR_ROWS = (  # as the README names them: label, what it learnt from, arms of the miniature
    ("base", "nothing", ["base"]),
    ("reasoner-20-a, -b, -c", "20 traces of the reasoner, three draws", [f"reasoner-20-{draw}" for draw in "abc"]),
    ("instruct-20", "20 solutions of the instruct model", ["instruct-20"]),
    ("reasoner", "the teacher itself", ["reasoner"]),
)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_for_reading(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, *cells = notebook.cells
    assert first.cell_type == "markdown"
    title, *parts = first.source.split("\n\n")
    assert re.match(rf"# {path.stem[:2]} [A-Z]", title)
    begins = ("**Question.** ", "**In the paper** (arXiv 2507.09850). ", "**In:** ", "**Hardware and run time.** ")
    assert all(part.startswith(start) for part, start in zip(parts, begins, strict=True)), begins
    assert " **Out:** " in parts[2]
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
    code = "import sys, longcot.run.jobs, longcot.grading, longcot.traces; "
    code += "print({'torch', 'transformers', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


# From the bottom up: a room may use what stands before it, and no file uses one that uses it.
ROOMS = (
    "files problems traces grading metrics models curation sampling qlora miniature study figures report run __main__"
)


def imports() -> dict[str, set[str]]:
    """The files of the package that each of them imports, anywhere in it, by their modules' names."""
    files = {
        ".".join(path.relative_to(ROOT / "lib").with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "lib/longcot").rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        used = found.setdefault(name, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                used |= {one if one in files else node.module for one in whole}
            elif isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
        found[name] = (used & files.keys()) - {name, "longcot"}
    return found


def test_a_room_uses_those_below_it_and_nothing_goes_in_a_circle():
    order = {room: place for place, room in enumerate([*ROOMS.split(), "__main__"])}
    used = imports()
    rooms = {name: name.split(".")[1] for name in used if name != "longcot"}
    assert set(rooms.values()) == set(order), "each room stands in ROOMS"
    upward = [(name, one) for name in rooms for one in used[name] if order[rooms[one]] > order[rooms[name]]]
    assert not upward
    graphlib.TopologicalSorter(used).prepare()  # raises CycleError


def test_one_file_spells_the_paths_of_a_run():
    folders = "traces|training_sets|adapters|tables|figures|stamps|engines|explorer"
    spelled = rf"""["'](?:(?:{folders})/|study\.yaml|jobs\.json|report\.html|\.snakemake)"""
    own = ROOT / "lib/longcot/files/run_directory.py"
    texts = {path: path.read_text() for path in (ROOT / "lib/longcot").rglob("*.py") if path != own}
    texts[ROOT / "notebooks/Snakefile"] = (ROOT / "notebooks/Snakefile").read_text()
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        code = [one.source for one in cells if one.cell_type == "code" and not one.metadata.get("tags")]
        texts[path] = "\n".join(code)
    found = {path.name: re.findall(spelled, re.sub(r'""".*?"""', "", text, flags=re.S)) for path, text in texts.items()}
    assert re.search(spelled, own.read_text()) and not {name: hits for name, hits in found.items() if hits}


def section(page: Path, heading: str) -> str:
    """What stands under a heading of a page, as far as the next one."""
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)[1]


def test_the_readme_is_short():
    assert README.stat().st_size <= 9_300


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_what_is_there(page):
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)\s]*)\)", text):
        path, _, anchor = link.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"a link to {link}, which is not there"
        headings = re.findall(r"^#+ (.+)", linked.read_text(), re.M) if anchor else []
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, f"a link to {link}, which has no such heading"
    for path in re.findall(PROJECT_PATH, text):
        assert (ROOT / path).exists(), f"{path} is not there"


@pytest.mark.parametrize("path", sorted((ROOT / "params").rglob("*.yaml")), ids=lambda path: path.name)
def test_a_comment_in_params_names_what_is_there(path):
    for named in re.findall(PROJECT_PATH, path.read_text()):
        assert (ROOT / named).exists(), f"{named} is not there"


def test_the_commands_of_the_pages_are_there():
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.M))
    commands = set(re.findall(r"`make\s+(\w+)", text) + re.findall(r"^make (\w+)", text, re.M))
    assert {"study", "test"} <= commands <= targets
    for target in sorted(commands):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    told = subprocess.run([sys.executable, "-m", "longcot", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    commands = set(re.findall(r"`(?:\.venv/bin/)?longcot ([a-z]+)", text))
    assert "check" in commands and commands <= set(re.findall(r"[a-z]+", told))


def test_the_readmes_tree_is_the_tree():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: what belongs to the project cannot be told from what lies beside it")
    files = [Path(line) for line in listed.stdout.splitlines() if not line.startswith(".")]
    top = {path.parts[0] for path in files if path.parts[0] != "lib"} | {"lib/longcot"}
    package = {path.parts[2] for path in files if path.parts[:2] == ("lib", "longcot")}
    tree = re.search(r"```\n(.*?)```", section(README, "The tree"), re.S)[1]
    assert sorted(re.findall(r"^(\S+?)/? +\S", tree, re.M)) == sorted(top)
    assert sorted(re.findall(r"^  (\S+?)/? +\S", tree, re.M)) == sorted(package)
    assert len(package) <= 16


def studies_on(page: Path) -> list[dict]:
    """The studies that a page shows: the README a whole one, others pieces that are added to it."""
    pieces = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)]
    if page == README:
        return pieces
    whole = studies_on(README)[0]
    for piece in pieces:
        for key, added in piece.items():
            if key in whole:
                piece[key] = whole[key] | added if isinstance(added, dict) else whole[key] + added
    return [whole | piece for piece in pieces]


@pytest.mark.parametrize("page", [README, ROOT / "params/README.md"], ids=["README", "params"])
def test_the_studies_of_the_pages_can_be_run(page, tmp_path):
    studies = studies_on(page)
    assert studies
    for values in studies:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
        check_inputs(load_study(tmp_path / "study.yaml"))


def test_the_readme_lists_the_studies():
    listed = re.findall(r"`([\w.-]+\.yaml)`", section(README, "Your own study"))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "params").glob("*.yaml"))


def shipped_table(study: str) -> Path:
    """The table of arms of a run that is shipped (`longcot ship`)."""
    return next((ROOT / "notebooks/results" / study).rglob("arms.csv"))


def short_table() -> str:
    """The README's four rows, from the arms.csv of the miniature."""
    table = pd.read_csv(shipped_table("miniature")).set_index("arm")
    lines = ["| arm | fine-tuned on | right, % | tokens an answer |", "|---|---|---|---|"]
    for label, learnt, arms in FOUR_ROWS:
        rows = table.loc[arms]
        right = ", ".join(f"{score:.1%}".rstrip("%") for score in rows.pass_at_1)
        lines.append(f"| {label} | {learnt} | {right} | {', '.join(f'{count:.0f}' for count in rows.mean_tokens)} |")
    return "\n".join(lines)


def test_the_readme_shows_the_result_in_short():
    assert f"<!-- table: in short -->\n{short_table()}\n" in README.read_text()


def arms_table(study: str) -> str:
    """The table of arms as the page of results shows it, from the run's own arms.csv."""
    lines = ["| arm | traces | pass@1 | maj@4 | tokens |", "|---|---|---|---|---|"]
    for row in pd.read_csv(shipped_table(study)).itertuples():
        interval = f"{row.pass_at_1:.1%} ({row.pass_at_1_low:.1%} to {row.pass_at_1_high:.1%})"
        lines.append(f"| {row.arm} | {row.n_train or ''} | {interval} | {row.maj_at_k:.1%} | {row.mean_tokens:.0f} |")
    return "\n".join(lines).replace("%", "")


@pytest.mark.parametrize("study", ["miniature", "miniature-world2"])
def test_the_page_of_results_shows_the_run_that_is_shipped(study):
    assert f"<!-- table: {study} -->\n{arms_table(study)}\n" in RESULTS.read_text()


def conditions_table(study: str) -> str:
    """The table of conditions as the page of results shows it, from the curation.csv of three shipped runs."""
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


def foretold_table(study: str) -> str:
    """The table of what was foretold of each condition and what came, from the curation.csv of the shipped runs.

    A star: it differs from the first of its kind, p < 0.05 after correction for all comparisons of the run.
    """
    runs = {
        "world 1": "",
        "world 1, four samples": "-h100",
        "world 2": "-world2",
        "world 2, four samples": "-world2-h100",
    }
    lines = [f"| what is changed | foretold | {' | '.join(runs)} |", f"|---|---|{'---|' * len(runs)}"]
    files = [ROOT / f"notebooks/results/{study}{run}/tables/curation.csv" for run in runs.values()]
    tables = [pd.read_csv(file).set_index(["property", "value"]) for file in files]
    for place in tables[0].index:
        rows = [table.loc[place] for table in tables]
        plain = pd.isna(rows[0].compared_to)
        if plain and lines[2:]:
            continue  # it stands first in each kind, and once here
        cells = ["the plain 20", ""] if plain else [": ".join(place), rows[0].foretold]
        for row in rows:
            star = " \\*" if row.p_corrected < 0.05 else ""
            cells.append(f"{row.pass_at_1:.0%} ({row.pass_at_1_low:.0%} to {row.pass_at_1_high:.0%}){star}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines).replace("%", "")


def test_the_page_of_results_shows_what_was_foretold_beside_what_came():
    assert f"<!-- table: why -->\n{foretold_table('why')}\n" in RESULTS.read_text()


@pytest.mark.parametrize("study", ["curation", "human_stages"])
def test_the_page_of_results_shows_the_conditions_that_are_shipped(study):
    assert f"<!-- table: {study} -->\n{conditions_table(study)}\n" in RESULTS.read_text()


def test_the_miniature_shows_the_effect():
    """What the project promises of the shipped run of world 1."""
    table = pd.read_csv(shipped_table("miniature")).set_index("arm")
    score = table.pass_at_1
    assert (table.n_problems >= 128).all() and (table.n_samples >= 512).all()
    assert all(score[f"reasoner-20-{draw}"] >= score["base"] + 0.40 for draw in "abc")
    assert abs(score["instruct-20"] - score["base"]) <= 0.08
    assert (table.pass_at_1_low <= table.pass_at_1_high["reasoner"]).all()
