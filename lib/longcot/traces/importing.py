"""Traces that somebody else made, as ours."""

from pathlib import Path

from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.strict import Strict, first_error
from longcot.problems.problem import number_as_text, problem_id
from longcot.problems.sources import Where, matches, source_name, source_rows
from longcot.traces.trace import Trace


class Imported(Strict):
    """Traces that somebody else made: where, our names mapped to their keys, and which rows to take."""

    source: str  # a JSONL file, a Hub dataset, or the miniature's
    keys: dict[str, str]
    where: Where = {}
    split: str = "train"
    revision: str | None = None


def import_traces(
    source: str | Path,
    keys: dict[str, str],
    prompt_style: str = "",
    where: dict[str, str | list[str]] | None = None,
    split: str = "train",
    revision: str | None = None,
) -> list[Trace]:
    """Traces that somebody else made, models or people: from a JSONL file, a Hub dataset or the miniature.

    `keys` maps our names to the source's; `problem`, `expected_answer` and `text` are needed, the rest is taken where
    mapped. Solutions that people wrote in refinement stages, one row a problem and stage, as in
    nvidia/Nemotron-Math-HumanReasoning, are mapped by `{problem: problem, expected_answer: expected_answer, text:
    solution, stage: solution_type}`; a team's own file has a column with any name of the stage instead. Where no
    `problem_id` is mapped it is that of `problems.problem_id`, as in `load_problems` of the same source; where that has
    ids of its own, map `problem_id` to their column. Samples are numbered in the source's order for each problem and
    stage where `sample` is not mapped. Only rows whose own columns have the values of `where` are taken. For `source`,
    `split` and `revision` see `problems.source_rows`. Raises BadInput with file and line.
    """
    name = source_name(source)
    model = Path(name).stem if name.endswith((".jsonl", ".json")) else name
    traces: list[Trace] = []
    if missing := {"problem", "expected_answer", "text"} - keys.keys():
        raise BadInput(f"{name}: the mapping of keys lacks {', '.join(sorted(missing))}; name the file's key for each")
    counts: dict[tuple[str, str], int] = {}
    for number, row in source_rows(source, split, revision):
        if not matches(row, where):
            continue
        mapped = {ours: row.get(theirs) for ours, theirs in keys.items()}
        for ours in ("problem", "expected_answer", "text"):
            mapped[ours] = number_as_text(mapped[ours])
            if not isinstance(mapped[ours], str) or not mapped[ours]:
                raise BadInput(f"{name}:{number}: key {keys[ours]!r} (our {ours!r}) is missing or empty; mend the row")
        given = mapped.get("problem_id")
        mapped["problem_id"] = problem_id(mapped["problem"]) if given in (None, "") else str(given)
        if mapped.get("sample") is None:
            place = mapped["problem_id"], str(mapped.get("stage") or "")
            mapped["sample"] = counts.get(place, 0)
            counts[place] = mapped["sample"] + 1
        mapped["model"] = str(mapped.get("model") or model)
        mapped.setdefault("prompt_style", prompt_style)
        try:
            traces.append(Trace.model_validate({key: value for key, value in mapped.items() if value is not None}))
        except ValidationError as error:
            raise BadInput(f"{name}:{number}: {first_error(error)}; mend the row or the mapping") from None
    if not traces:
        raise BadInput(f"{name}: no row with {where or 'anything in it'}; mend `where` or the file")
    return traces
