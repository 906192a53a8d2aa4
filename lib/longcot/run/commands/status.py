"""`longcot status`."""

from collections.abc import Sequence

from longcot.run.arguments import Parser, each, there


def status(parser: Parser, words: Sequence[str]) -> int:
    """Say how far a run is: jobs done and left, what runs, time left, loss and accuracy so far.

    Reads:    the run directory: jobs, stamps, manifests, and what the traces and losses written so far say
    Writes:   nothing; changes nothing of a run that is going on
    Returns:  0; 1 after one line of what is wrong
    Example:  longcot status runs/miniature
    """
    parser.add_run(nargs="+")
    given = parser.read(words)
    from longcot.run.progress import read_progress
    from longcot.run.status import status_text

    return each(map(there, given.run), lambda run: print(status_text(read_progress(run))))
