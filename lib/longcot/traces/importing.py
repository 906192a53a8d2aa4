"""Traces that somebody else made, as ours."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.rows import Place, is_row_file, json_value, place_name, stem, value_at
from longcot.files.strict import Strict, first_error
from longcot.problems.conversations import answered, asked, turns
from longcot.problems.lost_backslashes import lost_backslash
from longcot.problems.problem import number_as_text, problem_id
from longcot.problems.sources import Where, matches, source_name, source_rows
from longcot.traces.finish_reasons import finish_reason
from longcot.traces.trace import Key, Trace

NEEDED = ("problem", "expected_answer", "text")
_LIST_AS_TEXT = re.compile(r"\s*\[\s*['\"].*['\"]\s*\]\s*", re.DOTALL)  # as tables have it that know no lists


class Imported(Strict):
    """Traces that somebody else made: where, our names mapped to their keys, and which rows to take."""

    source: str  # a file, a Hub dataset, or the miniature's
    keys: dict[str, str]  # our names: the source's; problem, expected_answer and text are needed
    where: Where = {}  # key: its value, or one of several, in the rows to take
    split: str = "train"  # of a dataset
    revision: str | None = None  # of a Hub id: branch, tag or commit


def iter_imported(
    source: str | Path,
    keys: dict[str, str],
    prompt_style: str = "",
    where: dict[str, str | list[str]] | None = None,
    split: str = "train",
    revision: str | None = None,
) -> Iterator[Trace]:
    """Traces that somebody else made, models or people: from a file, a Hub dataset or the miniature.

    `keys` maps our names to the source's, or to paths in them such as `responses.0` (`files.rows.value_at`); `problem`,
    `expected_answer` and `text` are needed, the rest is taken where mapped. Of a conversation (`messages`,
    `conversations`, `prompt` and `completion`) the one question is the problem, the one answer the text. A list of
    texts is as many samples, and lists of as many values beside it are theirs one by one. A `finish_reason` may be in
    any words that `finish_reasons` knows.

    Solutions that people wrote in refinement stages, one row a problem and stage, as in
    nvidia/Nemotron-Math-HumanReasoning, are mapped by `{problem: problem, expected_answer: expected_answer, text:
    solution, stage: solution_type}`; a team's own file has a column with any name of the stage instead. Where no
    `problem_id` is mapped it is that of `problems.problem_id`, as in `load_problems` of the same source; where that has
    ids of its own, map `problem_id` to their column. Samples are numbered in the source's order for each problem and
    stage where `sample` is not mapped. Only rows whose own columns have the values of `where` are taken. For `source`,
    `split` and `revision` see `problems.source_rows`. Raises BadInput with file and line.
    """
    name = source_name(source)
    model = stem(name) if is_row_file(name) else name
    if missing := set(NEEDED) - keys.keys():
        raise BadInput(f"{name}: the mapping of keys lacks {', '.join(sorted(missing))}; name the file's key for each")
    counts: dict[tuple[str, str], int] = {}
    seen: dict[Key, Place] = {}
    for number, row in source_rows(source, split, revision):
        if not matches(row, where):
            continue
        try:
            for mapped in _samples(row, keys):
                given = mapped.get("problem_id")
                mapped["problem_id"] = problem_id(mapped["problem"]) if given is None else str(given)
                if mapped.get("sample") is None:
                    place = mapped["problem_id"], str(mapped.get("stage") or "")
                    mapped["sample"] = counts.get(place, 0)
                    counts[place] = mapped["sample"] + 1
                mapped["model"] = str(mapped.get("model") or model)
                mapped.setdefault("prompt_style", prompt_style)
                trace = Trace.model_validate({key: value for key, value in mapped.items() if value is not None})
                if trace.key in seen:
                    there = place_name(seen[trace.key])
                    raise BadInput(f"{trace.key} stands in {there} already; map `sample` or `stage` otherwise")
                seen[trace.key] = number
                yield trace
        except ValidationError as error:
            raise BadInput(f"{name}:{number}: {first_error(error)}; fix the row or the mapping") from None
        except BadInput as error:
            raise BadInput(f"{name}:{number}: {error}") from None
    if not seen:
        raise BadInput(f"{name}: no row with {where or 'anything in it'}; fix `where` or the file")


def check_keys(imported: Imported, rows: int) -> None:
    """See that the first so many rows of a source have the keys that are mapped, each in one of them at least.

    A key that no row has would be passed over in silence. Raises BadInput.
    """
    missing, known = dict(imported.keys), dict[str, None]()
    taken = (row for _, row in source_rows(imported.source, imported.split, imported.revision))
    for row in islice((row for row in taken if matches(row, imported.where)), rows):
        known |= dict.fromkeys(map(str, row))
        missing = {ours: key for ours, key in missing.items() if key not in row and value_at(row, key) is None}
        if not missing:
            return
    if missing and known:
        wrong = ", ".join(f"{key!r} (for our {ours!r})" for ours, key in missing.items())
        raise BadInput(
            f"{source_name(imported.source)}: no row has the key {wrong}; its rows have {', '.join(map(repr, known))}"
        )


def import_traces(source: str | Path, keys: dict[str, str], **how: Any) -> list[Trace]:
    """The traces of `iter_imported`, which says what may be given. Raises BadInput with file and line."""
    return list(iter_imported(source, keys, **how))


def _samples(row: dict[str, Any], keys: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The values of each sample of a row by our names. Raises BadInput in half a line."""
    given = {ours: value_at(row, theirs) for ours, theirs in keys.items()}
    given = {ours: None if value == "" else value for ours, value in given.items()}
    given["problem"], texts = asked(given["problem"]), _texts(given["text"]) or None
    for number, text in enumerate(texts if isinstance(texts, list) else [texts]):
        mapped = given | {"text": text}
        if isinstance(texts, list):
            mapped |= {
                ours: _own(value, number, len(texts), keys[ours])
                for ours, value in given.items()
                if isinstance(value, list) and ours not in NEEDED
            }
        for ours in NEEDED:
            mapped[ours] = _text(mapped[ours], ours, keys[ours], row)
        if "finish_reason" in mapped:
            mapped["finish_reason"] = _reason(mapped["finish_reason"], keys["finish_reason"])
        yield mapped


def _texts(value: Any) -> Any:
    """A text, or the list of texts of several samples; each may be a conversation, of which it is the answer."""
    if isinstance(value, str) and _LIST_AS_TEXT.fullmatch(value):
        value = json_value(value) or value
        if isinstance(value, str):
            raise BadInput("a Python list in a cell of text; write it in JSON, or each sample in a row of its own")
    if isinstance(value, list) and value and turns(value) is None:
        return [answered(one) for one in value]
    return answered(value)


def _own(values: list, number: int, wanted: int, key: str) -> Any:
    """One sample's of the values beside a list of texts."""
    if len(values) != wanted:
        raise BadInput(f"key {key!r} has {len(values)} values beside {wanted} texts; as many are needed")
    return values[number]


def _text(value: Any, ours: str, key: str, row: dict[str, Any]) -> str:
    value = number_as_text(value)
    if value in (None, "", []):
        raise BadInput(f"key {key!r} (our {ours!r}) is missing or empty; the row has {', '.join(map(repr, row))}")
    if not isinstance(value, str):
        raise BadInput(f"key {key!r} (our {ours!r}) is a {type(value).__name__}; name a text in it, as {key}.0")
    if lost := lost_backslash(value):
        raise BadInput(f"key {key!r}: {lost}")
    return value


def _reason(word: Any, key: str) -> str | None:
    """Why the response ended, in our words; None where the source does not say."""
    if word is None:
        return None
    found = finish_reason(word)
    if found is None:
        raise BadInput(
            f"key {key!r}: {word!r} does not say in known words why the response ended; write 'stop' or 'length', or "
            "leave finish_reason out of the mapping"
        )
    return found
