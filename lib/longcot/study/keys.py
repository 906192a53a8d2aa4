"""The reference of all that a study may say, from its models: each key with its type, default, meaning and source.

What a key means is the comment that follows its field in the code, so that nothing is written twice.
"""

import ast
import functools
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from longcot.curation.filters import FILTERS
from longcot.curation.strategies import DRAWING, RANKING
from longcot.files.paths import ROOT
from longcot.files.strict import Strict
from longcot.files.writing import write_whole
from longcot.problems.wordings import EDITS, STYLES
from longcot.study.study import Study
from longcot.traces.behaviours import BEHAVIOURS

PAGE = ROOT / "params/README.md"
BEGIN, END = "<!-- keys: longcot keys --write -->", "<!-- end of keys -->"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "any value"}
SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
CHANGES = "Changes"  # what the name of a model ends with that `changes_of` makes


def write_reference() -> Path:
    """Put the reference between its marks in params/README.md; returns the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    write_whole(PAGE, f"{before}{BEGIN}\n{reference()}{END}{rest.split(END)[1]}")
    return PAGE


def reference() -> str:
    """The reference in Markdown: a table for each part of a study, then the names that stand in some values."""
    places = _places()
    parts = [_section(model, paths, places) for model, paths in places.items()]
    return "\n".join(["", *parts, _filters(), _strategies(), _wordings()])


def _places() -> dict[type[Strict], list[str]]:
    """The models that a study is made of, each with where it stands, as `models.NAME.server`."""
    found: dict[type[Strict], list[str]] = {Study: []}
    left: list[tuple[type[Strict], str]] = [(Study, "")]
    while left:
        model, path = left.pop(0)
        for name, field in model.model_fields.items():
            for inner, more in _models(field.annotation):
                place = f"{path}.{name}{more}".removeprefix(".")
                if inner not in found:
                    left.append((inner, place))
                found.setdefault(inner, []).append(place)
    return found


def _models(kind: Any, more: str = "") -> Iterator[tuple[type[Strict], str]]:
    """The models within a type, and what is added to the key on the way to them."""
    if isinstance(kind, type) and issubclass(kind, Strict):
        if not kind.__name__.endswith(CHANGES):
            yield kind, more
        return
    for inner in get_args(kind):
        yield from _models(inner, more + {dict: ".NAME", list: "[]"}.get(get_origin(kind), ""))


def _section(model: type[Strict], paths: list[str], places: dict[type[Strict], list[str]]) -> str:
    heading = _heading(paths)
    file = Path(inspect.getsourcefile(model)).relative_to(ROOT)
    about = _cell(inspect.cleandoc(model.__doc__ or "").split("\n\n")[0])
    lines = [f"### {heading}", "", f"{about} ([{file.name}](../{file.as_posix()}))", ""]
    lines += ["| key | type | default | what it says, and where the default is from |", "|---|---|---|---|"]
    said = comments(model)
    for name, field in model.model_fields.items():
        about = said.get(name) or _of_model(field.annotation)
        lines.append(f"| `{name}` | {_type(field, places)} | {_default(field)} | {_cell(about)} |")
    return "\n".join([*lines, ""])


def _heading(paths: list[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths) or "The study"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@functools.cache
def comments(model: type[Strict]) -> dict[str, str]:
    """The comment that follows each field of a model, those that it takes over included."""
    found: dict[str, str] = {}
    for own in reversed(model.__mro__):
        if not (issubclass(own, Strict) and own is not Strict):
            continue
        source = textwrap.dedent(inspect.getsource(own))
        lines = io.StringIO(source).readline
        by_line = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(lines)
            if token.type == tokenize.COMMENT
        }
        for field in ast.parse(source).body[0].body:
            if isinstance(field, ast.AnnAssign) and field.end_lineno in by_line:
                found[field.target.id] = by_line[field.end_lineno]
    return found


def _of_model(kind: Any) -> str:
    """The first line about the model that a key holds."""
    inner = next((model for model, _ in _models(kind)), None)
    if any(getattr(one, "__name__", "").endswith(CHANGES) for one in get_args(kind)):
        return "in place of the study's"
    return inspect.cleandoc(inner.__doc__ or "").split("\n\n")[0] if inner else ""


def _type(field: FieldInfo, places: dict[type[Strict], list[str]]) -> str:
    limits = []
    for one in field.metadata:
        attribute, sign = SIGNS.get(type(one), ("", ""))
        limits += [f"{sign} {getattr(one, attribute)}"] if sign else []
    return _cell(" ".join([_kind(field.annotation, places), ", ".join(limits)]).strip())


def _kind(kind: Any, places: dict[type[Strict], list[str]]) -> str:
    """A type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(inner[0], places)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(one, places) for one in inner if one is not type(None)))
    if origin is list:
        return f"list of {_kind(inner[0], places)}"
    if origin is dict:
        return f"mapping of {_kind(inner[0], places)} to {_kind(inner[1], places)}"
    if isinstance(kind, type) and issubclass(kind, Strict):
        if kind.__name__.endswith(CHANGES):
            kind = next(one for one in places if one.__name__ == kind.__name__.removesuffix(CHANGES))
            return f"some [keys of `{places[kind][0]}`](#{_anchor(_heading(places[kind]))})"
        return f"[keys](#{_anchor(_heading(places[kind]))})"
    return WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "" or isinstance(value, Strict) or value in ([], {}):
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9).removesuffix("...\n").strip()
    return f"`{text}`"


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _named(heading: str, about: str, head: str, rows: list[str]) -> str:
    return "\n".join([f"### {heading}", "", about, "", head, re.sub(r"[^|]+", "---", head), *rows, ""])


def _filters() -> str:
    rows = []
    for name, model in FILTERS.items():
        given = [f"`{key}` {_type(field, {})} {_default(field)}".strip() for key, field in model.model_fields.items()]
        about = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0]
        rows.append(f"| `{name}` | {'; '.join(given)} | {_cell(about)} |")
    about = "In `data.filters`, in the order given: a name, or `{name: {parameter: value}}`."
    return _named("Filters", about, "| filter | parameters: type, default | what it leaves |", rows)


def _strategies() -> str:
    rows = []
    for name, does in (DRAWING | RANKING).items():
        if ":" not in name:
            rows.append(f"| `{name}` | {_first_line(does)} |")
    of = f"The behaviours are {', '.join(BEHAVIOURS)}."
    rows += [
        f"| `{way}:BEHAVIOUR` | The traces with {way} matches of a behaviour for their length. |"
        for way in ("most", "fewest")
    ]
    return _named("Strategies", f"In `data.strategy`. {of}", "| strategy | which traces are taken first |", rows)


def _first_line(does: Any) -> str:
    return _cell(inspect.cleandoc(does.__doc__ or "").split("\n\n")[0])


def _wordings() -> str:
    def rows(named: dict[str, Any]) -> list[str]:
        return [f"| `{name}` | {one.version} | {_cell(one.text)} |" for name, one in named.items()]

    head = "| name | version | wording |"
    about = "In `style`; `few_shot` is that of arms with `use: examples`."
    edits = "In `edits`, passes over a model's own traces."
    return f"{_named('Styles', about, head, rows(STYLES))}\n{_named('Edits', edits, head, rows(EDITS))}"
