"""The rows of a JSONL file."""

import json
from collections.abc import Iterator
from pathlib import Path

from longcot.files.errors import BadInput
from longcot.files.paths import shown


def json_rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) of each line of a JSONL file. Raises BadInput at the first line that is no JSON object."""
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{shown(path)}: no such file; check the path in the study")
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(), parse_constant=_no_number)
                if b"\\ud" in line.lower():  # JSON may hold half a surrogate pair, which no file takes
                    whole = json.dumps(row, ensure_ascii=False).encode("utf-16", "surrogatepass")
                    row = json.loads(whole.decode("utf-16", "replace"))
            except (ValueError, RecursionError) as error:  # not JSON, cut within a letter, too long or too deep
                reason = "not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "msg", str(error))
                raise BadInput(f"{shown(path)}:{number}: not JSON ({reason}); mend or remove the line") from None
            if not isinstance(row, dict):
                raise BadInput(f"{shown(path)}:{number}: not a JSON object; each line must be one")
            yield number, row


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
