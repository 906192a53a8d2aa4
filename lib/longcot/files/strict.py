"""Strict models: no unknown key, no silent conversion."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """No unknown key, no silent conversion: YAML reads `1e-4` as a text, and that must not pass for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def first_error(error: ValidationError) -> str:
    """A validation error of pydantic as half a line: the key and what is wrong with it."""
    detail = error.errors(include_url=False)[0]
    return f"key {'.'.join(map(str, detail['loc'])) or '(row)'!r}: {detail['msg']}"
