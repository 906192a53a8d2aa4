"""`python -m longcot.regrade PATH...`: grade files of traces again, without sampling again."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from longcot.errors import command
from longcot.grading import regrade
from longcot.manifest import changing
from longcot.traces import held, trace_counts


def regrade_file(path: str | Path) -> int:
    """Grade a file of traces again, and have its manifest say so; returns how many verdicts changed.

    What was made from the file before (training sets, tables) is then out of date, and the next run makes it again.
    """
    with held(path), changing(path, regraded=True) as figures:
        changed = regrade(path)
        figures.update(trace_counts(path))
    return changed


@command
def main(paths: Sequence[str]) -> None:
    """The command. Exit status 0, or 1 after a one-line error."""
    for path in paths:
        began = time.perf_counter()
        print(f"{path}: {regrade_file(path)} verdicts changed, {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
