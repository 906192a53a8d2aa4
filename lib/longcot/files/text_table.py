"""A table of a few columns for the terminal."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """The rows, the first of them the heads; columns of numbers to the right, all others to the left."""
    columns = list(zip(*rows, strict=True))
    sides = [str.rjust if all(map(_is_number, column[1:])) else str.ljust for column in columns]
    widths = [max(map(len, column)) for column in columns]
    lines = ("  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)) for row in rows)
    return "\n".join((indent + line).rstrip() for line in lines)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, or nothing."""
    return not cell.strip(" -+0123456789.,%?") or cell == "-"
