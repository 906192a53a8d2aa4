"""Problem, and problem sets from a JSONL file, a Hub dataset or the miniature world."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from longcot.errors import BadInput
from longcot.files import json_rows, resolve, shown


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
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("id", "problem", "expected_answer")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value


def first_error(error: ValidationError) -> str:
    """A validation error of pydantic as half a line: the key and what is wrong with it."""
    detail = error.errors(include_url=False)[0]
    return f"key {'.'.join(map(str, detail['loc'])) or '(row)'!r}: {detail['msg']}"


def _from_rows(rows: Iterable[tuple[int, dict]], name: str, columns: dict[str, str]) -> list[Problem]:
    problems, seen = [], {}
    for number, row in rows:
        for ours, theirs in columns.items():
            if theirs not in row:
                raise BadInput(f"{name}:{number}: no column {theirs!r} for {ours!r}; it has {', '.join(row)}")
        row = row | {ours: row[theirs] for ours, theirs in columns.items()}
        row.setdefault("id", f"{name}-{number}")
        row.setdefault("source", name)
        try:
            problem = Problem.model_validate(row)
        except ValidationError as error:
            raise BadInput(
                f"{name}:{number}: {first_error(error)}; give every problem an id, a text and an answer"
            ) from None
        if problem.id in seen:
            raise BadInput(
                f"{name}:{number}: id {problem.id!r} stands in line {seen[problem.id]} already; ids must differ"
            )
        seen[problem.id] = number
        problems.append(problem)
    if not problems:
        raise BadInput(f"{name}: no problem in it; give at least one")
    return problems


def load_problems(
    source: str | Path,
    split: str = "train",
    columns: dict[str, str] | None = None,
    revision: str | None = None,
    limit: int | None = None,
) -> list[Problem]:
    """The problems of a set, in its own order.

    `source` is a JSONL path (relative to the project, or `data:…` under LONGCOT_DATA), a Hub dataset id, or
    `miniature:<split>` (`miniature:<split>@<world>` for another world seed). `columns` maps our keys to the source's;
    `split` and `revision` go to the Hub; `limit` keeps the first so many. Raises BadInput, naming file and line.
    """
    source, columns = str(source), columns or {}
    if source.startswith("miniature:"):
        from longcot.miniature.world import load_split

        problems = load_split(source.removeprefix("miniature:"))
    elif source.endswith((".jsonl", ".json")) or source.startswith("data:"):
        path = resolve(source)
        problems = _from_rows(json_rows(path), shown(path), columns)
    elif source.count("/") == 1 and not resolve(source).exists():
        from datasets import load_dataset

        try:
            rows = load_dataset(source, split=split, revision=revision)
        except Exception as error:  # the Hub's errors share no base class
            raise BadInput(
                f"{source}: cannot load this dataset ({str(error).splitlines()[0]}); check id, split, network"
            ) from None
        problems = _from_rows(enumerate(rows, 1), source, columns)
    else:
        raise BadInput(
            f"{source}: neither a .jsonl file, nor miniature:<split>, nor a Hub id owner/name; mend the study"
        )
    return problems[:limit]
