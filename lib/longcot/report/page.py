"""The report: what a run found, its executed notebooks and its manifests as one HTML file that opens offline.

It opens with the finding and a list of contents; then come the figures in acts, and folded at the end the code, what
was read, and where every file is from. A study that only curates has no notebook 04; its report is notebook 02.
"""

import html
import re
from pathlib import Path
from typing import Any

import bleach
from nbconvert import HTMLExporter

from longcot.figures.task import PlotTask
from longcot.files.paths import resolve
from longcot.files.run_directory import EVERY_TABLE, REPORT, TRACE_PAGE, executed, figure
from longcot.files.strict import parse_all
from longcot.files.visible import visible
from longcot.files.writing import write_whole
from longcot.report.captions import caption
from longcot.report.finding import Finding, find
from longcot.report.provenance import date_and_machines, read_manifests
from longcot.report.safe_html import ATTRIBUTES as OF_FORMULAS
from longcot.report.safe_html import ELEMENTS, STYLE
from longcot.report.sections import Sections, read_sections

TAGS = ("a p br hr h1 h2 h3 h4 h5 h6 ul ol li strong em b i blockquote code pre span div sub sup").split()
TAGS += ("table thead tbody tr th td mark details summary").split()
ATTRIBUTES = {"a": ["href", "title"], "th": ["colspan", "rowspan"], "td": ["colspan", "rowspan"]}
ATTRIBUTES |= {"mark": ["class", "title"]} | dict.fromkeys(ELEMENTS, [*OF_FORMULAS])
_LINKED = re.compile(r"[\w./-]+")  # what a link to a file of the run may be


def write_report(run_dir: str | Path) -> Path:
    """Write `report.html` into a run directory (relative to the project), whole or not at all; returns its path.

    It holds no script and loads nothing. Raises BadInput where the executed notebook is missing, was not run to its end
    or cannot be read.
    """
    run = resolve(run_dir)
    sections, manifests = read_sections(run), read_manifests(run)
    exporter = HTMLExporter(
        template_name="template", extra_template_basedirs=[str(Path(__file__).parent)], exclude_anchor_links=True
    )
    exporter.register_filter("clean_html", _clean)
    exporter.register_filter("shown", _shown)
    exporter.register_filter("caption", lambda name: caption(run, name))
    exporter.register_filter("files_of", lambda name: _files_of(run, name))
    resources = {
        "trace_style": STYLE,
        "title": sections.parameters.get("study") or run.name,
        "question": sections.question,
        "made": date_and_machines(manifests),
        "finding": _finding(run, sections),
        "contents": sections.contents,
        "code": sections.code,
        "traces": _links(run, [TRACE_PAGE]),
        "tables": _links(run, [path.relative_to(run).as_posix() for path in sorted(run.glob(EVERY_TABLE))]),
        "notebooks": _links(run, [path.relative_to(run).as_posix() for path in sorted(run.glob(executed("*")))]),
        "manifests": manifests,
        "versions": sorted({version for made in manifests for version in made["versions"]}),
    }
    page, _ = exporter.from_notebook_node(_notebook(sections), resources=resources)
    write_whole(run / REPORT, page)
    return run / REPORT


def _notebook(sections: Sections) -> Any:
    from nbformat.v4 import new_notebook

    return new_notebook(cells=sections.cells)


def _finding(run: Path, sections: Sections) -> Finding:
    """What the run's tables say of the arms that its notebook was given."""
    tasks = sections.parameters.get("tasks", [])
    arms = parse_all(PlotTask, tasks, "tasks") if sections.parameters.get("main_arm") else []
    return find(run, arms, sections.parameters.get("main_arm", ""))


def _links(run: Path, files: list[str]) -> list[tuple[str, str]]:
    """(link, name) of those files of the run that are there, relative to its report."""
    return [(file, Path(file).name) for file in files if _LINKED.fullmatch(file) and (run / file).is_file()]


def _files_of(run: Path, name: str) -> list[tuple[str, str]]:
    """(link, PDF or CSV) of the files of a figure that are there."""
    kinds = [(kind, _links(run, [f"{figure(name)}.{kind.lower()}"])) for kind in ("PDF", "CSV")]
    return [(link, kind) for kind, found in kinds for link, _ in found]


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
