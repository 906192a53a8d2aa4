"""Strict models, and what is wrong with values that do not fit one, in a line that says the fix."""

import difflib
from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
)

from longcot.files.errors import BadInput

Place = tuple[str | int, ...]


class Strict(BaseModel):
    """No unknown key, no silent conversion: YAML reads `1e-4` as a text, and that must not pass for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    LATER: ClassVar[frozenset[str]] = frozenset()  # fields that came after runs were made: see `recipe`

    def recipe(self) -> dict[str, Any]:
        """The values that a manifest holds. A field of `LATER` at its default is left out, so that old files stay."""
        same = {name for name in self.LATER if getattr(self, name) == type(self).model_fields[name].get_default()}
        return self.model_dump(exclude=same)

    def changed(self, changes: BaseModel | None) -> Self:
        """A copy with the values that `changes` (of `changes_of` this model) sets, checked as a whole."""
        if changes is None:
            return self
        return type(self).model_validate(self.model_dump() | changes.model_dump())


Model = TypeVar("Model", bound=BaseModel)


class _Changes(Strict):
    """What is said in place of some values; what is not said is not written either."""

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}


def changes_of(model: type[Strict], but: Collection[str] = ()) -> type[Strict]:
    """A model of what may be said in place of some of another's values: its fields but `but`, none needed."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name not in but:
            kind = field.annotation
            fields[name] = (Annotated[(kind, *field.metadata)] if field.metadata else kind, None)
    return create_model(f"{model.__name__}Changes", __base__=_Changes, **fields)


def parse(model: type[Model], values: Any, where: str) -> Model:
    """The model of plain values. Raises BadInput with `where`, the key, what is wrong and the fix, in one line."""
    try:
        return model.model_validate(values)
    except ValidationError as found:
        place, words = worst(found, model)
        raise BadInput(f"{'.'.join([where, *map(str, place)])}: {words}") from None


def parse_all(model: type[Model], rows: Sequence[Any], where: str) -> list[Model]:
    """`parse` of each of several, `where` with its number."""
    return [parse(model, row, f"{where}.{number}") for number, row in enumerate(rows)]


def first_error(error: ValidationError) -> str:
    """A validation error of pydantic as half a line: the key and what is wrong with it."""
    detail = error.errors(include_url=False)[0]
    return f"key {'.'.join(map(str, detail['loc'])) or '(row)'!r}: {detail['msg']}"


def worst(found: ValidationError, model: type[BaseModel]) -> tuple[Place, str]:
    """(place, what is wrong there and the fix) of the error that says most about values for `model`."""
    return all_wrong(found, model)[0]


def all_wrong(found: ValidationError, model: type[BaseModel]) -> list[tuple[Place, str]]:
    """(place, what is wrong there and the fix) of each error, unknown keys first.

    A mistyped key is two errors, one unknown and one missing, of which the unknown one says more. Of a value that may
    be of several types, each of which says what it misses, the first is taken.
    """
    errors = found.errors(include_url=False)
    errors.sort(key=lambda error: error["type"] != "extra_forbidden")
    mistyped = {error["loc"][:-1] for error in errors if error["type"] == "extra_forbidden"}
    rows: dict[Place, tuple[Place, str]] = {}
    for error in errors:
        place = error["loc"]
        if error["type"] == "missing" and place[:-1] in mistyped:
            continue
        for number, line in enumerate(_advice(error, model).split("\n")):
            rows.setdefault((*_in_values(place), number), (place, line))
    return list(rows.values())


def _in_values(place: Place) -> Place:
    """The place without what pydantic says of types on the way: `target_modules`, `list[str]`, 0."""
    kinds = ("str", "int", "float", "bool", "list[", "dict[", "function-", "literal[", "tagged-", "union[")
    ends = (n for n, step in enumerate(place) if isinstance(step, str) and step.startswith(kinds) and n)
    return place[: next(ends, len(place))]


def _advice(error: Any, model: type[BaseModel]) -> str:
    place = error["loc"]
    if error["type"] == "extra_forbidden":
        known: Any = model
        for step in place[:-1]:
            known = _inner(known, step)
        names = list(getattr(known, "model_fields", {}))
        near = difflib.get_close_matches(str(place[-1]), names, 1)
        return f"unknown key {place[-1]!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}")
    if error["type"] in ("float_type", "int_type") and isinstance(error["input"], str):
        return f"{error['input']!r} is a text to YAML; write the number as 1.0e-4 or 0.0001, without quotes"
    return error["msg"].removeprefix("Value error, ") + ("" if error["type"] == "value_error" else "; fix this value")


def _inner(model: Any, step: str | int) -> Any:
    """The model that stands behind a field, an item of a list or a value of a mapping; None where there is none."""
    if isinstance(step, str) and hasattr(model, "model_fields"):
        model = model.model_fields[step].annotation if step in model.model_fields else None
    while model is not None and not hasattr(model, "model_fields"):
        inner = [kind for kind in getattr(model, "__args__", ()) if kind not in (str, type(None))]
        model = inner[0] if inner else None
    return model
