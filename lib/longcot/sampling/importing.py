"""Taking traces that somebody else made as an arm's."""

from pathlib import Path
from typing import Any

from longcot.files.manifest import Making
from longcot.files.paths import resolve
from longcot.traces.importing import import_traces
from longcot.traces.trace import write_traces


def import_arm(arm: dict[str, Any], run_dir: Path) -> Path:
    """Take traces that somebody else made, graded; returns our file of them.

    `arm` holds `name, traces`, and as in the study `source, keys, where` (column: value of the rows to take), `split`
    and `revision`.
    """
    from longcot.grading.grade import grade

    out = run_dir / arm["traces"]
    given = {key: arm[key] for key in ("source", "keys", "where", "split", "revision")}
    making = Making(out, arm, [resolve(arm["source"])] if resolve(arm["source"]).is_file() else [])
    if not making.done:
        traces = import_traces(**given)
        write_traces(out, grade(traces))
        making.finish(traces=len(traces))
    return out
