"""Problem, and the rows of every kind of source: a file, a Hub dataset or the miniature world."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, resolve
from longcot.files.rows import Place, file_rows, is_row_file, place_name, value_at
from longcot.files.strict import Strict, first_error
from longcot.problems.conversations import asked
from longcot.problems.lost_backslashes import lost_backslash
from longcot.problems.problem import Problem, problem_id

Where = dict[str, str | list[str]]  # column: its value, or one of several, in the rows to take


class ProblemSet(Strict):
    """The arguments of `load_problems`, as a study has them."""

    source: str  # a file, a folder of datasets, a Hub id, or the miniature's
    split: str = "train"  # of a dataset
    columns: dict[
        str, str
    ] = {}  # our names: the source's; ours are id, problem, expected_answer, subject, level, subset
    revision: str | None = None  # of a Hub id: branch, tag or commit
    limit: int | None = Field(None, ge=1)  # the first so many problems
    where: Where = {}  # column: its value, or one of several, in the rows to take


def local_path(source: str | Path) -> Path | None:
    """The file or folder that a source names; None for the miniature and the Hub."""
    text = str(source)
    if not text or text.startswith("miniature:"):
        return None
    path = resolve(text)
    return path if text.startswith("data:") or is_row_file(path.name) or path.exists() else None


def source_name(source: str | Path) -> str:
    """A source as it may stand in a file or a message: a path relative to the project or `data:`, else as it is."""
    path = local_path(source)
    return display_path(path) if path else str(source)


def source_rows(
    source: str | Path, split: str = "train", revision: str | None = None, *, stream: bool = False
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """(place, row) of each row of a source of problems or traces: its line or number from 1, or "row 1".

    `source` is a file in a form of `files.rows.file_rows` (relative to the project, or `data:…` under LONGCOT_DATA), a
    Hub dataset id or a folder with a copy of one, or `miniature:<name>`, as `miniature.world` has them (`…@<world>` for
    another world seed).
    `split` and `revision` go to the Hub; with `stream` only the rows that are asked for are fetched, and nothing is
    kept on disk.
    Raises BadInput in one line, also where a Hub dataset is absent, gated or cannot be reached.
    """
    text, path = str(source), local_path(source)
    if text.startswith("miniature:"):
        from longcot.problems.miniature.rows import named_rows

        yield from enumerate(named_rows(text.removeprefix("miniature:")), 1)
    elif path and path.is_dir():
        if odd := re.search(r"[\[\]*?\n]|::", str(path)):
            raise BadInput(f"{source_name(source)}: `datasets` reads no folder below a path with {odd[0]!r}; rename it")
        yield from _hub_rows(str(path), source_name(source), split, None, stream)
    elif path:
        yield from file_rows(path)
    elif text.count("/") == 1:
        yield from _hub_rows(text, text, split, revision, stream)
    else:
        raise BadInput(
            f"{text}: neither a file (.jsonl, .json, .csv, .tsv or .parquet, also packed), nor miniature:<split>, nor "
            "a Hub id owner/name; fix the study"
        )


def _hub_rows(
    path: str, name: str, split: str, revision: str | None, stream: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    from datasets import load_dataset, load_from_disk
    from datasets.exceptions import DatasetGenerationError

    try:
        if saved := [name for name in ("dataset_dict.json", "state.json") if (Path(path) / name).is_file()]:
            rows = load_from_disk(path)
            yield from enumerate(rows[split] if saved[0] == "dataset_dict.json" else rows, 1)
            return
        # A stream knows no slices such as train[:100].
        rows = load_dataset(path, split=split, revision=revision, streaming=stream and "[" not in split)
        yield from enumerate(rows, 1)
    except Exception as error:  # the Hub's errors share no base class
        cause = error.__cause__ if isinstance(error, DatasetGenerationError) else error
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise BadInput(
            f"{name}: cannot load this dataset ({reason}); check its id, split, revision, your access to it "
            "(hf auth login) and the network"
        ) from None


def matches(row: dict[str, Any], where: dict[str, str | list[str]] | None) -> bool:
    """Whether each column (or path) of `where` has its value there, or one of its values, compared as text."""
    wanted = {column: [value] if isinstance(value, str) else value for column, value in (where or {}).items()}
    return all(str(value_at(row, column)) in values for column, values in wanted.items())


def _problem(row: dict[str, Any], name: str, columns: dict[str, str]) -> Problem:
    """The problem of a row. Raises BadInput in half a line, and pydantic's ValidationError."""
    mapped = dict(row)
    for ours, theirs in columns.items():
        if theirs not in row and theirs.split(".")[0] not in row:
            raise BadInput(f"no column {theirs!r} for {ours!r}; it has {', '.join(row)}")
        mapped[ours] = value_at(row, theirs)
    mapped["problem"] = asked(mapped.get("problem"))
    for ours in ("problem", "expected_answer"):
        if isinstance(mapped.get(ours), str) and (lost := lost_backslash(mapped[ours])):
            raise BadInput(f"key {columns.get(ours, ours)!r}: {lost}")
    if mapped["problem"] is None:
        del mapped["problem"]  # missing, which pydantic says
    elif mapped.get("id") in (None, "") and isinstance(mapped["problem"], str):
        mapped["id"] = problem_id(mapped["problem"])
    mapped.setdefault("source", name)
    return Problem.model_validate(mapped)


def _distinct(rows: Iterable[tuple[Place, dict]], name: str, columns: dict[str, str]) -> Iterator[Problem]:
    """The problems of rows, each once. Rows of one problem must agree in text and answer."""
    seen: dict[str, tuple[Place, Problem]] = {}
    for number, row in rows:
        try:
            problem = _problem(row, name, columns)
        except ValidationError as error:
            raise BadInput(
                f"{name}:{number}: {first_error(error)}; give every problem an id, a text and an answer"
            ) from None
        except BadInput as error:
            raise BadInput(f"{name}:{number}: {error}") from None
        if problem.id not in seen:
            seen[problem.id] = number, problem
            yield problem
            continue
        first, other = seen[problem.id]
        there = place_name(first)
        if other.problem.split() != problem.problem.split():
            raise BadInput(f"{name}:{number}: id {problem.id!r} stands in {there} already; ids must differ")
        if other.expected_answer != problem.expected_answer:
            raise BadInput(
                f"{name}:{number}: the answer {problem.expected_answer!r} of a problem that has "
                f"{other.expected_answer!r} in {there}; fix one of the two"
            )


def load_problems(
    source: str | Path,
    split: str = "train",
    columns: dict[str, str] | None = None,
    revision: str | None = None,
    limit: int | None = None,
    where: dict[str, str | list[str]] | None = None,
) -> list[Problem]:
    """The distinct problems of a set, in its own order.

    For `source`, `split` and `revision` see `source_rows`. `columns` maps our keys to the source's, or to paths in them
    (`files.rows.value_at`); of a conversation the one question is the problem. Where it has no id, `problem_id` gives
    one. Only rows whose own columns have the values of `where` are taken; rows that repeat a problem, such as several
    solutions of it, are one. `limit` keeps the first so many problems, and no more of a Hub dataset is fetched than
    they need. Raises BadInput, naming file and line.
    """
    name = source_name(source)
    rows = source_rows(source, split, revision, stream=limit is not None)
    wanted = ((number, row) for number, row in rows if matches(row, where))
    problems = list(islice(_distinct(wanted, name, columns or {}), limit))
    if not problems:
        raise BadInput(f"{name}: no problem in it" + (f" with {where}" if where else "") + "; give at least one")
    return problems
