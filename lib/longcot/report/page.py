"""The report: the executed notebook 04 and the run's manifests as one HTML file that opens offline.

A study that only curates has no notebook 04; its report is the executed notebook 02.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

import bleach
import nbformat
from nbconvert import HTMLExporter

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, resolve
from longcot.files.run_directory import REPORT, SUPERSEDED, executed
from longcot.files.visible import visible
from longcot.files.writing import write_whole
from longcot.report.safe_html import ATTRIBUTES as OF_FORMULAS
from longcot.report.safe_html import ELEMENTS, STYLE

NOTEBOOK, CURATION = executed("04_plot_evaluation"), executed("02_analyze_curation")
TAGS = ("a p br hr h1 h2 h3 h4 h5 h6 ul ol li strong em b i blockquote code pre span div sub sup").split()
TAGS += ("table thead tbody tr th td mark details summary").split()
ATTRIBUTES = {"a": ["href", "title"], "th": ["colspan", "rowspan"], "td": ["colspan", "rowspan"]}
ATTRIBUTES |= {"mark": ["class", "title"]} | dict.fromkeys(ELEMENTS, [*OF_FORMULAS])


def write_report(run_dir: str | Path) -> Path:
    """Write `report.html` into a run directory (relative to the project), whole or not at all; returns its path.

    It holds no script and loads nothing. Raises BadInput where the executed notebook is missing, was not run to its end
    or cannot be read.
    """
    run = resolve(run_dir)
    only_curated = not (run / NOTEBOOK).is_file() and (run / CURATION).is_file()
    notebook = _executed(run / (CURATION if only_curated else NOTEBOOK))
    manifests = _manifests(run)
    exporter = HTMLExporter(
        template_name="template", extra_template_basedirs=[str(Path(__file__).parent)], exclude_anchor_links=True
    )
    exporter.register_filter("clean_html", _clean)
    exporter.register_filter("shown", _shown)
    resources = {
        "trace_style": STYLE,
        "title": notebook.metadata.get("papermill", {}).get("parameters", {}).get("study") or run.name,
        "manifests": manifests,
        "versions": sorted({version for made in manifests for version in made["versions"]}),
    }
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    write_whole(run / REPORT, page)
    return run / REPORT


def _executed(path: Path) -> nbformat.NotebookNode:
    """The executed notebook without sections that show nothing, its first cell folded.

    Each figure has the heading above it as alternative text.
    """
    if not path.is_file():
        raise BadInput(
            f"{display_path(path)}: no executed notebook; run notebooks/04_plot_evaluation.ipynb of this study first"
        )
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat's errors share no base class
        raise BadInput(f"{display_path(path)}: not a notebook ({str(error).splitlines()[0]}); run it again") from None
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(output.output_type == "error" for cell in cells for output in cell.outputs) or not any(
        cell.outputs for cell in cells
    ):
        raise BadInput(f"{display_path(path)}: was not run to its end; run it again")
    notebook.cells = _without_empty(notebook.cells)
    notebook.cells[0].metadata["folded"] = True
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = cell.source.splitlines()[0].strip("# ")
        cell.metadata["alt"] = heading
    return notebook


def _without_empty(cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The cells but those of sections in which there is code and none of it shows anything.

    A section reaches from a heading to the next of its level or above; a text without a heading to the next text.
    """
    kept, text_kept = [], True
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            code = [one for one in _section(cells, place) if one.cell_type == "code"]
            text_kept = not code or any(_shows(output) for one in code for output in one.outputs)
        if text_kept:
            kept.append(cell)
    return kept


def _section(cells: list[nbformat.NotebookNode], start: int) -> list[nbformat.NotebookNode]:
    """The cells that belong to the text at `start`."""
    level = _level(cells[start])
    ends = (
        place
        for place in range(start + 1, len(cells))
        if cells[place].cell_type == "markdown" and (not level or 0 < _level(cells[place]) <= level)
    )
    return cells[start : next(ends, len(cells))]


def _level(cell: nbformat.NotebookNode) -> int:
    """1 for a text that begins with a heading `#`, 2 for `##`, 0 for one without a heading."""
    return len(re.match("#*", cell.source)[0])


def _shows(output: nbformat.NotebookNode) -> bool:
    """Whether the report has anything of an output."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    data = output.get("data", {})
    rich = [data[kind] for kind in ("image/png", "text/html", "text/markdown") if kind in data]
    return any(text.strip() for text in rich or [data.get("text/plain", "")])


def _manifests(run: Path) -> list[dict[str, Any]]:
    """What the provenance shows of each manifest under the run directory, in the order in which files were finished."""
    rows = []
    for path in sorted(run.rglob("*.manifest.json")):
        if SUPERSEDED in path.relative_to(run).parts:
            continue
        try:
            made = json.loads(path.read_text(encoding="utf-8"))
            git, machine = made["git"], made["machine"]
            rows.append(
                {key: made[key] for key in ("file", "sha256", "seconds", "peak_memory_mb", "finished_at")}
                | {
                    "commit": git.get("commit", "")[:10] + ("+" if git.get("dirty") else ""),
                    "machine": ", ".join(f"{key} {value}" for key, value in machine.items()),
                    "versions": [f"{name} {version}" for name, version in made["packages"].items()],
                    "text": json.dumps(made, indent=1, ensure_ascii=False),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadInput(f"{display_path(path)}: not a manifest; make its file again") from None
    return sorted(rows, key=lambda made: (made["finished_at"], made["file"]))


def _shown(text: object) -> str:
    """Text as HTML, with characters that act made visible."""
    return html.escape(visible(str(text)))


def _may_stay(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may: of a `div` only that it holds a trace."""
    return (name, value) == ("class", "trace") if tag == "div" else name in ATTRIBUTES.get(tag, ())


def _clean(markup: str, formulas: bool = False) -> str:
    """HTML without scripts, styles, pictures or anything else that could load or run; the rest shown as text.

    With `formulas` what `untrusted.trace_html` gives passes as it is.
    """
    tags = {*TAGS, *ELEMENTS} if formulas else TAGS
    styles = re.compile(r"<style.*?</style>", re.DOTALL)  # pandas puts one before each table
    return bleach.clean(visible(styles.sub("", str(markup))), tags=tags, attributes=_may_stay, protocols=["#"])
