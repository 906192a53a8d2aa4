"""Tables that others wrote, row by row: CSV and its kin, and Parquet."""

import csv
import io
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

from longcot.files.encoding import decoded
from longcot.files.errors import BadInput

LONGEST = 2**28  # characters of a cell
_BATCH = 256  # rows of Parquet in memory


def csv_rows(file: io.BufferedIOBase, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of each row below the header, in commas, tabs or semicolons, whichever the header has.

    Raises BadInput with file and line where a row has other columns than the header.
    """
    csv.field_size_limit(LONGEST)
    lines = (decoded(line, f"{name}:{number}") for number, line in enumerate(file, 1))
    header = next(lines, "")
    parted_by = "\t" if "\t" in header else max(",;", key=header.count)
    if parted_by not in header:
        raise BadInput(
            f"{name}:1: one column only, {header.strip()[:40]!r}; part columns by commas, tabs or semicolons"
        )

    def again() -> Iterator[str]:
        yield header
        yield from lines

    reader = csv.reader(again(), delimiter=parted_by, strict=True)
    columns: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(
                f"{name}:{number}: not CSV ({error}); fix the row, quotes within a cell are doubled"
            ) from None
        if not cells:
            continue
        if not columns:
            columns = [cell.strip() for cell in cells]
            if twice := next((column for column in columns if columns.count(column) > 1), None):
                raise BadInput(f"{name}:{number}: column {twice!r} stands twice; give each a name of its own")
        elif len(cells) != len(columns):
            raise BadInput(
                f"{name}:{number}: {len(cells)} cells below {len(columns)} columns; quote a cell that holds "
                f"{parted_by!r} or a line end"
            )
        else:
            yield number, dict(zip(columns, cells, strict=True))


def parquet_rows(file: io.BufferedIOBase, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """("row 1", row) of each row, a batch of rows in memory at a time. Raises BadInput for what is not whole."""
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        # Its defaults read all of the file ahead.
        table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20)
        for batch in table.iter_batches(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", {column: _plain(value) for column, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{name}: not whole Parquet after row {number} ({reason}); fetch or write it again") from None


def _plain(value: Any) -> Any:
    """A cell as JSON would have it: no number is None, an exact number or a date is text."""
    if isinstance(value, float) and value != value:
        return None
    return str(value) if isinstance(value, Decimal | date | time) else value
