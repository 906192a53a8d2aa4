"""`longcot compare`."""

from collections.abc import Sequence
from pathlib import Path

from longcot.files.writing import check_new
from longcot.run.arguments import Parser, new, there


def compare(parser: Parser, words: Sequence[str]) -> None:
    """Set arms of any runs beside each other, paired over the problems that they share.

    Reads:    the traces of the runs' arms; of RUN:ARM that arm's alone
    Writes:   nothing; with --out a new FOLDER with the tables, the figures and comparison.html
    Returns:  0, the table printed; 1 after one line of what is wrong
    Example:  longcot compare runs/miniature runs/other:reasoner-20-a --out compared

    All are compared with the first: the arm that is named, or the main arm of the first run. The p-values are corrected
    for the number of comparisons.
    """
    what = "a run directory, as runs/miniature; or an arm of it, as runs/miniature:base"
    parser.add_argument("runs", metavar="RUN[:ARM]", nargs="+", help=what)
    parser.add_argument("--out", metavar="FOLDER", help="a new folder (default: only the terminal)")
    given = parser.read(words)
    folder = new(given.out) if given.out else None
    if folder:
        check_new(folder)
    from longcot.run.comparison import compare, write_comparison

    comparison = compare([_run_and_arm(one) for one in given.runs])
    print(comparison.text())
    if folder:
        print(f"\n{given.out}/{write_comparison(comparison, folder).name}")


def _run_and_arm(given: str) -> tuple[Path, str]:
    """The directory and the arm of RUN or RUN:ARM."""
    run, _, arm = given.rpartition(":")
    return (there(given), "") if there(given).exists() or not run else (there(run), arm)
