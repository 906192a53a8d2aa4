"""The executed notebooks of a run as the acts and sections of its report: what shows nothing is left out."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import executed, figure

NOTEBOOK, CURATION = executed("04_plot_evaluation"), executed("02_analyze_curation")
LAST = "Read"  # the section that says what was read: it comes at the end, with the code
FOLDED = ("One set, trace by trace", "Its data sheet")  # long, and for few
LONG = 30  # rows of a table that is folded
CURATED = "Which traces were chosen"  # the act that notebook 02 is in the report of a study that also evaluates
BEFORE = "Against the paper"  # the act of notebook 04 before which it stands

Cell = nbformat.NotebookNode


@dataclass
class Sections:
    """The cells of a report in its order, with what the template needs of each in its metadata.

    `contents` are (level, anchor, title) of the headings that are not folded, `code` (title, source) of all code.
    `question` is what the study asks, `title` and `parameters` those of its last notebook.
    """

    cells: list[Cell]
    question: str
    parameters: dict
    contents: list[tuple[int, str, str]] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)


def read_sections(run: Path) -> Sections:
    """The sections of a run's report. Raises BadInput where a notebook is missing, was not run to its end, or damaged.

    A study that only curates has no notebook 04; its report is notebook 02 alone.
    """
    curated = _executed(run / CURATION) if (run / CURATION).is_file() else None
    only_curated = curated is not None and not (run / NOTEBOOK).is_file()
    notebook = curated if only_curated else _executed(run / NOTEBOOK)
    about, *acts = _acts(notebook.cells)
    if curated is not None and not only_curated:
        acts = _with_curation(acts, _acts(curated.cells)[1:])
    question = re.search(r"\*\*Question\.\*\* (.+)", about[0].source)
    front, back = [act for act in acts if _title(act[0]) != LAST], [act for act in acts if _title(act[0]) == LAST]
    cells = [*about[1:], *(cell for act in front for cell in act)]
    for act in back:
        _fold(act, "what was read")
        cells += act
    text = [about[0]]
    _fold(text, "about the notebook that this report is made of")
    cells += text
    parameters = notebook.metadata.get("papermill", {}).get("parameters", {})
    found = Sections(cells, question[1] if question else "", parameters)
    found.code = [*_code(notebook.cells), *(_code(curated.cells) if curated and not only_curated else [])]
    _name(found, run)
    return found


def _executed(path: Path) -> nbformat.NotebookNode:
    """An executed notebook."""
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
    return notebook


def _acts(cells: list[Cell]) -> list[list[Cell]]:
    """The cells of each act, which begins with a heading of level 2; what stands before the first act comes first.

    Left out are sections that show nothing, and acts of which nothing is left.
    """
    acts: list[list[Cell]] = [[]]
    for cell in _without_empty(cells):
        if cell.cell_type == "markdown" and level(cell) == 2:
            acts.append([])
        acts[-1].append(cell)
    return acts


def _with_curation(acts: list[list[Cell]], curated: list[list[Cell]]) -> list[list[Cell]]:
    """The acts of notebook 04 with those of 02 as one act, one level down; what 02 read stays an act of its own."""
    act = [nbformat.v4.new_markdown_cell(f"## {CURATED}")]
    read = [one for one in curated if _title(one[0]) == LAST]
    for one in (one for one in curated if _title(one[0]) != LAST):
        for cell in one:
            if cell.cell_type == "markdown" and level(cell):
                cell.source = f"#{cell.source}"
        act += one
    place = next((number for number, one in enumerate(acts) if _title(one[0]) == BEFORE), len(acts))
    return [*acts[:place], *([act] if len(act) > 1 else []), *acts[place:], *read]


def _without_empty(cells: list[Cell]) -> list[Cell]:
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


def _section(cells: list[Cell], start: int) -> list[Cell]:
    """The cells that belong to the text at `start`."""
    own = level(cells[start])
    ends = (
        place
        for place in range(start + 1, len(cells))
        if cells[place].cell_type == "markdown" and (not own or 0 < level(cells[place]) <= own)
    )
    return cells[start : next(ends, len(cells))]


def level(cell: Cell) -> int:
    """1 for a text that begins with a heading `#`, 2 for `##`, 0 for one without a heading."""
    return len(re.match("#*", cell.source)[0])


def _title(cell: Cell) -> str:
    return cell.source.splitlines()[0].strip("# ") if cell.source.startswith("#") else ""


def _shows(output: nbformat.NotebookNode) -> bool:
    """Whether the report has anything of an output."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    data = output.get("data", {})
    rich = [data[kind] for kind in ("image/png", "text/html", "text/markdown") if kind in data]
    return any(text.strip() for text in rich or [data.get("text/plain", "")])


def _fold(cells: list[Cell], summary: str) -> None:
    """Have the cells folded away under a line."""
    for cell in cells:
        cell.metadata["hidden"] = True
    cells[0].metadata["opens"], cells[-1].metadata["closes"] = summary, True


def _code(cells: list[Cell]) -> list[tuple[str, str]]:
    """(heading above it, source) of each code cell, but those of sections that show nothing."""
    found, title = [], ""
    for cell in _without_empty(cells):
        if cell.cell_type == "markdown":
            title = _title(cell) or title
        elif cell.source.strip():
            found.append((title, cell.source))
    return found


def _name(found: Sections, run: Path) -> None:
    """Give headings an anchor, and each picture its heading (as alternative text) and the figure that it is."""
    used: Counter[str] = Counter()
    heading = ""
    for place, cell in enumerate(found.cells):
        if cell.cell_type == "markdown" and (title := _title(cell)):
            heading = title
            slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
            used[slug] += 1
            anchor = slug if used[slug] == 1 else f"{slug}-{used[slug]}"
            cell.metadata["anchor"] = anchor
            if title in FOLDED:
                _fold(_section(found.cells, place), title)
            elif not cell.metadata.get("hidden") and level(cell) in (2, 3):
                found.contents.append((level(cell), anchor, title))
        cell.metadata["alt"] = heading
        if cell.cell_type == "code":
            _name_pictures(cell, run)
            rows = sum(output.get("data", {}).get("text/html", "").count("<tr") for output in cell.outputs)
            if rows > LONG and not cell.metadata.get("hidden"):
                _fold([cell], f"table of {rows} rows")


def _name_pictures(cell: Cell, run: Path) -> None:
    """Which figure of the run each picture of a cell is: those that `show_figure` wrote, in its order."""
    shown = re.search(r"show_figure\(run, \"(\w+)\"(.*each=)?", cell.source, re.S)
    if not shown:
        return
    stem = run / figure(shown[1])
    found = stem.parent.glob(f"{stem.name}_*.csv" if shown[2] else f"{stem.name}.csv")
    names = sorted((path.stem for path in found), key=lambda name: (len(name), name))
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    for output, name in zip(pictures, names, strict=False):
        output.metadata["figure"] = name
