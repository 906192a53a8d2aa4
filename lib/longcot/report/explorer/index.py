"""All traces of a run directory as a table of light columns; a text is read from its file when it is shown.

A benchmark may hold more text than fits into memory, and a person reads a few traces of it.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import EVERY_TRACES
from longcot.files.strict import first_error
from longcot.traces.trace import Trace

# In a line of JSON these bytes stand only where a text ends and the next key begins: within a text a quotation mark
# has a backslash before it.
_TEXT, _AFTER = b'","text":"', b'","finish_reason":'
_KEPT = ("problem_id", "sample", "stage", "correct", "completion_tokens")


@dataclass(frozen=True)
class Index:
    """The traces of a run directory: `table` has a row each, `problems` the beginning of each problem's text.

    `table`: `set` and `arm` (which file, traces/<arm>/<set>.jsonl), `file`, `line`, `problem_id`, `sample`, `stage`,
    `correct` (True, False, None: not graded), `ending` ("finished", "cut off", "end not stated"), `completion_tokens`
    (NaN where not stated), `kilobytes` (of the line in the file), `offset` and `size` (where the line is, in bytes).
    """

    run_dir: Path
    table: pd.DataFrame
    problems: dict[str, str]

    def sets(self) -> list[str]:
        """The sets of problems that there are traces on, `benchmark` first."""
        return sorted(self.table["set"].unique(), key=lambda name: (name != "benchmark", name))

    def read(self, row: int) -> Trace:
        """The whole trace of a row of the table. Raises BadInput where its file was written anew since."""
        place = self.table.loc[row]
        with open(self.run_dir / place["file"], "rb") as file:
            file.seek(place["offset"])
            line = file.read(place["size"])
        try:
            trace = Trace.model_validate_json(line)
        except ValidationError as error:
            raise BadInput(
                f"{place['file']}:{place['line']}: not a trace, {first_error(error)}; "
                "if the file was written anew, run the notebook again"
            ) from None
        if trace.key != (place["problem_id"], place["sample"], place["stage"]):
            raise BadInput(f"{place['file']}:{place['line']}: another trace than before; run the notebook again")
        return trace

    def find(self, place: str) -> int | None:
        """The row of a trace given as `file:line`, as notebook 02 lists those that it chose; None where there is none.

        `file` is relative to the run directory.
        """
        file, _, line = place.strip().rpartition(":")
        found = self.table.index[(self.table["file"] == file) & (self.table["line"].astype(str) == line)]
        return int(found[0]) if len(found) else None


def read_index(run_dir: str | Path) -> Index:
    """The index of all `traces/<arm>/<set>.jsonl` of a run directory.

    Raises BadInput where there is none, and with file and line where a line is no trace or stands there twice. Only
    what is beside the texts is read; a text that is not whole is met when it is shown.
    """
    run_dir = Path(run_dir)
    files = sorted(run_dir.glob(EVERY_TRACES))
    problems: dict[str, str] = {}
    rows = [row for path in files for row in _rows(path, run_dir, problems)]
    if not rows:
        raise BadInput(f"{display_path(run_dir)}: no traces/<arm>/<set>.jsonl with a trace in it; run the study first")
    table = pd.DataFrame(rows)
    table["completion_tokens"] = table["completion_tokens"].astype(float)
    again = table[table.duplicated(["file", "problem_id", "sample", "stage"])]
    if len(again):
        raise BadInput(
            f"{display_path(run_dir / again.iloc[0]['file'])}:{again.iloc[0]['line']}: this problem, sample and "
            "stage stand "
            "in the file already; remove one of the two"
        )
    return Index(run_dir, table, problems)


def _rows(path: Path, run_dir: Path, problems: dict[str, str]) -> list[dict]:
    """The rows of one file; a last line torn by a kill is left out."""
    file = path.relative_to(run_dir).as_posix()
    rows, offset = [], 0
    with open(path, "rb", buffering=1 << 20) as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n") and not line.isspace():
                trace = _without_text(line, path, number)
                problems.setdefault(trace.problem_id, trace.problem[:200])
                rows.append(
                    {"set": path.stem, "arm": path.parent.name, "file": file, "line": number}
                    | {key: getattr(trace, key) for key in _KEPT}
                    | {"ending": _ending(trace)}
                    | {"kilobytes": len(line) / 1000, "offset": offset, "size": len(line)}
                )
            offset += len(line)
    return rows


def _ending(trace: Trace) -> str:
    return {True: "finished", False: "cut off", None: "end not stated"}[trace.finished]


def _without_text(line: bytes, path: Path, number: int) -> Trace:
    """The trace of a line without its text, which is cut out before the line is parsed where it can be."""
    start, end = line.find(_TEXT), line.rfind(_AFTER)
    try:
        return Trace.model_validate_json(line[: start + len(_TEXT)] + line[end:] if 0 <= start < end else line)
    except ValidationError as error:
        raise BadInput(
            f"{display_path(path)}:{number}: not a trace, {first_error(error)}; remove the line or import the file"
        ) from None
