"""From a pool of traces to a training set: filters, a choice of n, and what became of every row."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from longcot.curation.filters import FILTERS
from longcot.curation.pool import Pool, check_answers
from longcot.files.errors import BadInput
from longcot.files.strict import Strict, first_error
from longcot.traces.trace import Key, Trace

FilterSpec = str | dict[str, dict[str, Any]]  # as in a study: `correct`, or {length: {low: 500, high: 8000}}
EXAMPLES = 3  # of the rows that each filter removed


@dataclass
class Filtered:
    """What filters did to the traces given: those kept, and of each other one which filter removed it, and why.

    `removed` counts the rows of each filter in the order applied, `examples` holds the first three of them with why.
    """

    given: Sequence[Trace]
    kept: list[Trace]
    removed: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    outcomes: dict[Key, tuple[str, str]] = field(default_factory=dict)  # (filter, why) of each row removed


def read_filter(spec: FilterSpec) -> tuple[str, Strict]:
    """(label, filter) of a filter as a study writes it. Raises BadInput for an unknown one, or a wrong parameter."""
    name, values = (spec, {}) if isinstance(spec, str) else next(iter(spec.items()), ("", {}))
    if isinstance(spec, dict) and len(spec) != 1:
        raise BadInput(f"filter {spec}: one name and its parameters are needed, as in {{length: {{low: 500}}}}")
    if name not in FILTERS:
        near = difflib.get_close_matches(name, FILTERS, 1)
        raise BadInput(
            f"filter {name!r} is not known; "
            + (f"did you mean {near[0]}? " if near else "")
            + f"use {', '.join(FILTERS)}"
        )
    try:
        found = FILTERS[name].model_validate(values or {})
    except ValidationError as error:
        known = ", ".join(FILTERS[name].model_fields) or "none"
        raise BadInput(f"filter {name}: {first_error(error)}; its parameters: {known}") from None
    given = ", ".join(f"{key} {value}" for key, value in found.model_dump(exclude_unset=True).items())
    return f"{name} ({given})" if given else name, found


def filter_traces(traces: Sequence[Trace], filters: Iterable[FilterSpec], pool: Pool | None = None) -> Filtered:
    """The traces that pass every filter, in order, and the fate of each one that does not. See `filters.FILTERS`.

    Raises BadInput for an unknown filter, for one that leaves nothing, and where one problem has two expected answers.
    """
    found, pool = Filtered(traces, list(traces)), pool or Pool()
    check_answers(traces)
    for label, one in map(read_filter, filters):
        reasons = one.reasons(found.kept, pool)
        gone = [(trace, why) for trace, why in zip(found.kept, reasons, strict=True) if why is not None]
        if gone and len(gone) == len(found.kept):
            before = ", ".join(f"{name} removed {count}" for name, count in found.removed.items())
            raise BadInput(
                f"filter {label} removed all {len(gone)} traces that were left of {len(traces)}"
                f"{f' ({before})' if before else ''}, the first because: {gone[0][1]}; loosen it, or sample more"
            )
        found.kept = [trace for trace, why in zip(found.kept, reasons, strict=True) if why is None]
        found.removed[label] = found.removed.get(label, 0) + len(gone)
        told = [f"{trace.problem_id}, sample {trace.sample}: {why}" for trace, why in gone]
        found.examples[label] = (found.examples.get(label, []) + told)[:EXAMPLES]
        found.outcomes |= {trace.key: (label, why) for trace, why in gone}
    return found


def filter_stage(file: str, stage: str, filters: Iterable[FilterSpec], pool: Pool) -> Filtered:
    """`filter_traces` of the pool's traces of one stage in a file.

    Raises BadInput for a stage that the file has not, and like it.
    """
    traces = [trace for trace in pool.traces[file] if trace.stage == stage]
    if not traces:
        known = ", ".join(sorted({repr(trace.stage) for trace in pool.traces[file]})) or "no trace"
        raise BadInput(f"{file} has no stage {stage!r}; it has {known}")
    return filter_traces(traces, filters, pool)


def row_outcomes(filtered: Filtered, chosen: Sequence[Trace]) -> list[list[str | int]]:
    """[problem_id, sample, stage, fate, why] of every trace; its fate: `chosen`, `kept`, or the filter that took it."""
    taken = {trace.key for trace in chosen}
    rest = {trace.key: ("chosen" if trace.key in taken else "kept", "") for trace in filtered.kept}
    return [[*trace.key, *(rest.get(trace.key) or filtered.outcomes[trace.key])] for trace in filtered.given]
