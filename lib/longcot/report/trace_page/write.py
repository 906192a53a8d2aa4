"""Writes the page of traces of a run directory: `traces.html`, and beside it a folder of pieces that it loads.

It opens from disk, runs no script but its own, asks nobody outside and needs no kernel. `traces.html#FILE:LINE`, the
file relative to the run directory, is the address of a trace; a second place after `&` is read beside it.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from longcot.files.errors import BadInput
from longcot.files.manifest import read_manifest, sha256
from longcot.files.paths import display_path, resolve
from longcot.files.run_directory import EVERY_TRACES, REPORT, STUDY, TRACE_PAGE, TRACE_PAGE_DATA
from longcot.files.visible import visible
from longcot.files.writing import whole_folder, write_whole
from longcot.report.explorer.index import Index, read_index
from longcot.report.explorer.page import answer_spans
from longcot.report.safe_html import ATTRIBUTES, ELEMENTS
from longcot.report.safe_html import STYLE as TRACE_STYLE
from longcot.report.trace_page.pieces import Pieces, write_script

LARGEST = 2_000_000_000  # bytes of traces; the page of more would take too long to write, and to search
SHOWN = 200  # characters of a name or an answer; 80 of a problem in the list
SCRIPTS = ("data.js", "show.js", "draw.js", "act.js")  # of the page, one script together
_HERE = Path(__file__).parent
_MADE_OF = '<meta name="made-of" content="{}">'


def write_trace_page(run_dir: str | Path, largest: int = LARGEST) -> str:
    """Write the page of a run's traces, if it has any; returns why it could not be written, in a line, else nothing.

    It is left as it is where the traces, their manifests and this code are what it was made of. Where there is none to
    write, the files of traces have more than `largest` bytes, or one cannot be read, a page of before is removed.
    """
    run = resolve(run_dir)
    page, files = run / TRACE_PAGE, sorted(run.glob(EVERY_TRACES))
    size = sum(file.stat().st_size for file in files)
    if not size:
        page.unlink(missing_ok=True)
        return ""
    try:
        if size > largest:
            limit = f"the page takes {largest / 1e9:,.1f}"
            raise BadInput(f"its traces have {size / 1e9:,.1f} GB, {limit}; read them in notebook 05")
        made_of = _MADE_OF.format(_made_of(run, files))
        if not page.is_file() or made_of not in page.read_text(encoding="utf-8")[:1000]:
            index = read_index(run)
            with whole_folder(run / TRACE_PAGE_DATA) as folder:
                write_script(folder, "index", json.dumps(_index(index, folder), ensure_ascii=False))
            write_whole(page, _page(_title(run), made_of))
    except BadInput as error:
        page.unlink(missing_ok=True)
        return f"{display_path(page)}: not written, {error}"
    return ""


def _made_of(run: Path, files: Iterable[Path]) -> str:
    """A hash of all that the page is made of."""
    settings = [json.dumps(read_manifest(file), sort_keys=True) for file in files]
    code = [path.read_text(encoding="utf-8") for path in sorted(_HERE.glob("*.*"))]
    parts = [f"{file.relative_to(run)} {sha256(file)}" for file in files]
    return hashlib.sha256("\0".join([_title(run), *parts, *settings, *code]).encode()).hexdigest()


def _title(run: Path) -> str:
    """The study's title, else the directory's name."""
    try:
        study = yaml.safe_load((run / STUDY).read_text(encoding="utf-8"))
        return str(study.get("title") or run.name)
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return run.name


def _index(index: Index, folder: Path) -> dict[str, Any]:
    """Write all texts into pieces, and give what the page has to know before it reads any.

    A row of `traces` is (file, problem, sample, stage, verdict, ending, tokens or null, characters, answer or null,
    line, piece, place), file and problem as places in their lists.
    """
    pieces, problems = Pieces(folder), {}
    files, rows = [], []
    for number, (file, own) in enumerate(index.table.groupby("file", sort=False)):
        of_file = _settings(index.run_dir / file)
        texts: dict[str, str] = {}
        for row in own.index:
            trace = index.read(row)
            texts[trace.problem_id] = trace.problem
            shown = trace.model_copy(update={"text": visible(trace.text)})
            spans = answer_spans(shown)
            piece = pieces.add(shown.text, spans[0][:2] if spans else None)
            place = problems.setdefault(trace.problem_id, (len(problems), trace.problem, trace.expected_answer))[0]
            verdict = "undecided" if trace.undecided else {True: "correct", False: "wrong"}.get(trace.correct, "")
            about = [number, place, trace.sample, _short(trace.stage), verdict or "not graded", own.at[row, "ending"]]
            about += [trace.completion_tokens, len(trace.text), trace.answer and _short(trace.answer)]
            rows.append([*about, int(own.at[row, "line"]), *piece])
        pieces.close()  # a piece is of one file, so that a search of an arm reads no other
        names = {"file": file, "set": own["set"].iloc[0], "arm": own["arm"].iloc[0]}
        files.append(names | {"settings": of_file["settings"], "prompt": _prompt(of_file["prompt"], texts)})
    told = [
        [_short(name), _short(" ".join(text.split()), 80), _short(expected), *pieces.add(visible(text))]
        for name, (_, text, expected) in problems.items()
    ]
    pieces.close()
    return {
        "files": [{key: _visible(value) for key, value in file.items()} for file in files],
        "sets": index.sets(),
        "problems": told,
        "traces": rows,
        "math": {"elements": sorted(ELEMENTS), "attributes": sorted(ATTRIBUTES)},
    }


def _settings(file: Path) -> dict[str, str]:
    """How the traces of a file were made, as YAML, and its first prompt as it was sent; both from its manifest."""
    made = read_manifest(file)
    kept = {key: value for key, value in made.get("parameters", {}).items() if key != "problems"}
    said = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100) if kept else ""
    return {"settings": said, "prompt": str(made.get("first_prompt") or "")}


def _prompt(first: str, texts: dict[str, str]) -> list[str]:
    """What stands before and after the problem in a file's first prompt; the prompt alone where none is found in it."""
    text = max((text for text in texts.values() if text and text in first), key=len, default="")
    at = first.rfind(text)
    return [first[:at], first[at + len(text) :]] if text else [first]


def _short(text: str, most: int = SHOWN) -> str:
    return visible(text[:most]) + ("…" if len(text) > most else "")


def _visible(value: str | list[str]) -> str | list[str]:
    return [visible(one) for one in value] if isinstance(value, list) else visible(value)


def _page(title: str, made_of: str) -> str:
    """The page itself: its own style and script, named by their hashes, and the scripts beside it may act."""
    style = TRACE_STYLE + (_HERE / "page.css").read_text(encoding="utf-8")
    script = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    allowed = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}' 'self' file:; "
        "base-uri 'none'; form-action 'none'"
    )
    fields = {"made_of": made_of, "allowed": allowed, "title": html.escape(visible(title)), "report": REPORT}
    fields |= {"style": style, "script": script, "data": TRACE_PAGE_DATA}
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda field: fields[field[1]], template)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
