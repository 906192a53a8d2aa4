"""Files of traces graded again, without sampling again."""

from pathlib import Path

from longcot.files.manifest import changing
from longcot.grading.grade import grade
from longcot.traces.trace import held, read_traces, trace_counts, write_traces


def regrade_file(path: str | Path) -> int:
    """Grade a file of traces again, and have its manifest say so; returns how many verdicts changed.

    What was made from the file before (training sets, tables) is then out of date, and the next run makes it again.
    """
    with held(path), changing(path, regraded=True) as figures:
        changed = regrade(path)
        figures.update(trace_counts(path))
    return changed


def regrade(path: str | Path) -> int:
    """Grade a file of traces again, writing it anew and renaming it over. Returns how many verdicts changed."""
    old = read_traces(path)
    new = grade(old)
    write_traces(path, new)
    return sum(a.correct != b.correct for a, b in zip(old, new, strict=True))
