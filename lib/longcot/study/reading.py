"""Reading a study file: strict, with errors that name the line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, resolve
from longcot.files.privacy import home_shortened
from longcot.files.strict import all_wrong
from longcot.files.yaml_file import parse_yaml, read_yaml
from longcot.study.study import Study


def _override(values: dict[str, Any], override: str) -> None:
    """Set one `key.of.a.key=value` (the value in YAML; a number counts in a list) in the values of a study file."""
    place, equals, text = override.partition("=")
    *way, last = place.split(".")
    value, inner = _from_home(parse_yaml(text, f"--config {override}").values), values
    try:
        for step in way:
            inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
        inner[int(last) if isinstance(inner, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
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

    Raises BadInput with all that is wrong: file, line, what, and the fix.
    """
    path = resolve(path)
    if not path.is_file():
        raise BadInput(f"{display_path(path)}: no such study; the ones at hand are in params/")
    file = read_yaml(path)
    if not isinstance(file.values, dict):
        raise BadInput(f"{file.where()}: not a mapping of keys to values; see params/miniature.yaml")
    values = _from_home(file.values)  # a copy of every value: what an alias shares is not set twice
    for override in overrides:
        _override(values, override)
    try:
        return Study.model_validate(values)
    except ValidationError as found:
        lines = []
        for place, words in all_wrong(found, Study):
            named = ".".join(ascii(str(step))[1:-1] for step in place) or "study"
            lines.append(f"{file.where(place)}: {named}: {words}")
        raise BadInput(*lines) from None
