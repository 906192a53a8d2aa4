"""Reading a study file: strict, with errors that name the line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import resolve, shown
from longcot.files.privacy import home_shortened
from longcot.files.strict import worst
from longcot.study.study import Study


def _line_of(text: str, place: tuple[str | int, ...]) -> int:
    """The line of a study file at which the value (or the last key that exists on the way to it) stands."""
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _override(values: dict[str, Any], override: str) -> None:
    """Set one `key.of.a.key=value` (the value in YAML; a number counts in a list) in the values of a study file."""
    place, equals, text = override.partition("=")
    *way, last = place.split(".")
    try:
        value, inner = yaml.safe_load(text), values
        for step in way:
            inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
        inner[int(last) if isinstance(inner, list) else last] = value
    except (yaml.YAMLError, ValueError, IndexError, TypeError, AttributeError):
        equals = ""
    if not equals or not place:
        raise BadInput(f"--config {override}: cannot be set; write key.of.a.key=value, 0 being a list's first")


def _from_home(value: Any) -> Any:
    """The values with each path below the user's home from ~: they stand in the files of the run."""
    if isinstance(value, dict):
        return {key: _from_home(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_from_home(inner) for inner in value]
    return home_shortened(value) if isinstance(value, str) else value


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """The study in a YAML file, with values of it replaced (`models.base.path=x`).

    Raises BadInput: file, line, what is wrong, and the fix.
    """
    path = resolve(path)
    if not path.is_file():
        raise BadInput(f"{shown(path)}: no such study; the ones at hand are in params/")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{shown(path)}: not text in UTF-8; give a study file, as params/miniature.yaml") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise BadInput(f"{shown(path)}:{line}: not YAML ({getattr(error, 'problem', error)}); mend the line") from None
    if not isinstance(values, dict):
        raise BadInput(f"{shown(path)}:1: not a mapping of keys to values; see params/miniature.yaml")
    for override in overrides:
        _override(values, override)
    values = _from_home(values)
    try:
        return Study.model_validate(values)
    except ValidationError as found:
        place, words = worst(found, Study)
        named = ".".join(ascii(str(step))[1:-1] for step in place) or "study"
        raise BadInput(f"{shown(path)}:{_line_of(text, place)}: {named}: {words}") from None
