"""The training loss of all arms."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from longcot.figures.results import Result, tidy, who
from longcot.figures.style import DASHES, WIDTH, arm_looks, new_axes
from longcot.files.errors import BadInput
from longcot.files.paths import display_path


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a training step of each arm that has a loss log: `step`, `epoch`, `loss` (nats a token)."""
    rows = []
    for result in results:
        if result.loss_log and result.loss_log.is_file():
            log = pd.read_csv(result.loss_log)
            if missing := {"step", "epoch", "loss"} - set(log.columns):
                raise BadInput(
                    f"{display_path(result.loss_log)}: no column {', '.join(sorted(missing))}; train the arm again"
                )
            rows += [who(result) | row for row in log[["step", "epoch", "loss"]].to_dict("records")]
    return tidy(rows, ("step", "epoch", "loss"), results)


def draw(table: pd.DataFrame) -> Figure:
    """Training loss of each arm, on a logarithmic axis, against the epoch; the more traces, the darker."""
    figure, (axes,) = new_axes(WIDTH, 3.4)
    looks, counts = arm_looks(table), sorted(table["n_train"].unique())
    keys: dict[str, Line2D] = {}
    few = table["arm"].nunique() <= 16
    for _, log in table.sort_values("n_train", kind="stable").groupby("arm", observed=True, sort=False):
        arm = log.iloc[0]
        look = {"color": looks[arm["arm"]]["color"], "ls": DASHES[-1 - counts.index(arm["n_train"]) % 4]}
        name = f"{arm['source']}, n = {arm['n_train']}"
        axes.plot(log["epoch"], log["loss"], lw=1.1 if few else 0.6, alpha=1 if few else 0.5, **look)
        keys[name] = Line2D([], [], label=name, **look)
    axes.set(xlabel="epoch", ylabel="training loss, nats a token", yscale="log")  # it falls by a hundred times
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y")
    figure.legend(handles=list(keys.values()), loc="outside lower center", ncols=3, handlelength=3)
    return figure
