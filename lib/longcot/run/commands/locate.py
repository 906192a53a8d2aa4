"""`longcot locate`: where a fine-tuned arm of a run parts from its base."""

from collections.abc import Sequence

from longcot.files.paths import ROOT, display_path
from longcot.files.run_directory import executed, located, notebook_source
from longcot.run.arguments import Parser, count, there

LOCATE = "06_locate_effect"


def locate(parser: Parser, words: Sequence[str]) -> None:
    """See where a fine-tuned arm of a run parts from its base, token by token, and whether that makes it right.

    Reads:    the run directory: study.yaml, the arm's adapter, graded benchmark traces
    Writes:   locate/<arm>/ in it: tables, figures, flips.html; and the executed notebook 06
    Returns:  0, the folder printed; 1 after one line of what is wrong
    Example:  longcot locate runs/miniature reasoner-20-a --problems 32
    """
    parser.add_run()
    parser.add_argument("arm", metavar="ARM", help="the name of a fine-tuned arm")
    parser.add_argument(
        "--traces", default="", metavar="ARM", help="whose benchmark traces both read (default: its own)"
    )
    parser.add_argument("--problems", type=count, metavar="N", default=32, help="at most so many (default: 32)")
    parser.add_argument("--threads", type=count, metavar="N", default=1, help="CPU threads (default: 1)")
    given = parser.read(words)
    run_dir = there(given.run)
    from longcot.run.compared import compared
    from longcot.run.notebook import run_notebook

    own = {"arm": given.arm, "traces": given.traces, "problems": given.problems}
    compared(run_dir, **own)
    parameters = own | {"run_dir": str(run_dir), "threads": given.threads}
    run_notebook(notebook_source(ROOT, LOCATE), run_dir / executed(f"{LOCATE}-{given.arm}"), parameters)
    print(display_path(run_dir / located(given.arm)))
