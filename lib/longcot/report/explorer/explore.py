"""The explorer of traces: an index of a run directory, filters, and traces beside each other.

With a person at the other end it is a set of widgets, without one (Papermill, nbconvert) its first view as HTML.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython import get_ipython
from IPython.display import HTML

from longcot.files.errors import BadInput
from longcot.report.explorer import page
from longcot.report.explorer.choice import Filters, disagreed, length_unit, passing, problem_table, sample_options
from longcot.report.explorer.counts import Counts
from longcot.report.explorer.index import Index, read_index
from longcot.report.explorer.searching import Search

LISTED = 10  # problems in the view without widgets


def explore(run_dir: str | Path, arms: Sequence[str] = (), trace: str = "") -> Any:
    """The explorer of a run directory, to be displayed by a notebook.

    `arms` are beside each other; where none is given, the one that is least often right and the one that is most often.
    `trace`, `file:line`, is where reading begins. Raises BadInput where there are no traces, or not these.
    """
    index = read_index(run_dir)
    arms, row = first_view(index, arms, trace)
    if has_reader():
        from longcot.report.explorer.reader import Reader

        return Reader(index, arms, row).view
    return HTML(static_html(index, arms, row))


def has_reader() -> bool:
    """Whether a person is at the other end of the kernel: Jupyter's message says whether it can ask for input."""
    shell = get_ipython()
    asked = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return bool(asked.get("content", {}).get("allow_stdin"))


def first_view(index: Index, arms: Sequence[str], trace: str) -> tuple[list[str], int]:
    """The arms to show and the row to begin with: `trace`, else the first problem on which the first arm is wrong and
    the last one right, else the first problem. Raises BadInput where an arm or the trace is not there."""
    table, there = index.table, list(index.table["arm"].unique())
    if unknown := [arm for arm in arms if arm not in there]:
        raise BadInput(f"arms: no traces of {unknown[0]!r}; there are those of {', '.join(there)}")
    if trace:
        row = index.find(trace)
        if row is None:
            raise BadInput(f"trace: no trace at {trace!r}; give file:line, the file relative to the run directory")
        arm = table.loc[row, "arm"]
        return [arm, *(other for other in arms if other != arm)], row
    rows = table[table["set"] == index.sets()[0]].assign(right=lambda own: own["correct"].astype(float))
    shares = rows.groupby("arm", sort=False)["right"].mean().fillna(0)
    arms = list(arms) or list(dict.fromkeys([shares.idxmin(), shares.idxmax()]))
    pair = Filters(wrong_in=arms[0], right_in=arms[-1])
    apart = rows["problem_id"].map(disagreed(index, index.sets()[0], pair)) & (rows["arm"] == arms[0])
    for first in (rows[apart & (rows["right"] == 0)], rows[rows["arm"] == arms[0]], rows):
        if len(first):
            return arms, int(first.index[0])


def static_html(index: Index, arms: Sequence[str], row: int) -> str:
    """The first view as HTML without widgets: the problems, and of the row's problem a trace of each arm."""
    place = index.table.loc[row]
    rows = index.table[(index.table["set"] == place["set"]) & index.table["arm"].isin(arms)]
    kept = passing(rows, Filters(), Counts(index).array, Search(index).holding)
    table = problem_table(index, rows, kept, arms, length_unit(rows))
    own, chosen = rows[rows["problem_id"] == place["problem_id"]], []
    for arm in arms:
        _, best = sample_options(own[own["arm"] == arm], kept, arm, Filters(right_in=arms[-1]))
        best = row if arm == place["arm"] else best
        chosen += [] if best is None else [(arm, index.read(best))]
    return page.STYLE + page.whole(
        page.stripped_note(),
        f"<p>The first {min(LISTED, len(table))} of {len(table):,} problems:</p>",
        page.problems_html(table, LISTED),
        page.problem_html(index.read(row)),
        page.legend(),
        page.side_by_side(chosen),
    )
