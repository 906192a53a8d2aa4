"""Problem: a text with one expected answer."""

import hashlib
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


def number_as_text(value: Any) -> Any:
    """A number as text, all else as it is: sources write answers either way."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class Problem(BaseModel):
    """A problem with one expected answer. Ids are unique within a set."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    problem: str
    expected_answer: str
    source: str = ""
    subject: str | None = None
    level: str | None = None
    subset: str | None = None

    @field_validator("id", "expected_answer", "level", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        return number_as_text(value)

    @field_validator("id", "problem", "expected_answer")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value


def problem_id(text: str) -> str:
    """The id of a problem that has none: a hash of its text but for white space, the same in every source."""
    digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).hexdigest()
    return f"problem-{digest}"
