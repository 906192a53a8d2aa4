"""The training loss of all arms."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longcot.figures.lines import MOST, bundled
from longcot.figures.results import Result, tidy, who
from longcot.figures.style import DASHES, PALETTE, WIDTH, arm_looks, new_axes, new_panels
from longcot.figures.ticks import log_ticks
from longcot.files.errors import BadInput
from longcot.files.paths import display_path

LOSS_NAME = "training loss, nats a token"


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


def draw(table: pd.DataFrame, conditions: Mapping[str, Mapping[str, str]]) -> Figure:
    """Training loss of each arm, on a logarithmic axis, against the epoch; the more traces, the darker.

    Of more arms than can be told apart there is a panel a property, and in it, for each value, the median of its arms
    and their middle 80%; `conditions` are the values (property: value) of each arm that shows some. Arms that show none
    go by source and number of traces.
    """
    return _one_by_one(table) if table["arm"].nunique() <= MOST else _together(table, conditions)


def _one_by_one(table: pd.DataFrame) -> Figure:
    figure, (axes,) = new_axes(WIDTH, 3.4)
    looks, counts = arm_looks(table), sorted(table["n_train"].unique())
    keys: dict[str, Line2D] = {}
    for _, log in table.sort_values("n_train", kind="stable").groupby("arm", observed=True, sort=False):
        arm = log.iloc[0]
        look = {"color": looks[arm["arm"]]["color"], "ls": DASHES[-1 - counts.index(arm["n_train"]) % 4]}
        axes.plot(log["epoch"], log["loss"], lw=1.1, **look)
        name = f"{arm['source']}, n = {arm['n_train']}"
        keys[name] = Line2D([], [], label=name, **look)
    _name_axes(axes, table)
    axes.set(xlabel="epoch", ylabel=LOSS_NAME)
    figure.legend(handles=list(keys.values()), loc="outside lower center", ncols=3, handlelength=3)
    return figure


def _together(table: pd.DataFrame, conditions: Mapping[str, Mapping[str, str]]) -> Figure:
    groups: dict[str, dict[str, list[tuple[pd.Series, pd.Series]]]] = {}
    for arm, log in table.groupby("arm", observed=True, sort=False):
        first = log.iloc[0]
        by_source = {"traces": f"{first['source']}, n = {first['n_train']}"}
        for name, value in (conditions.get(arm) or by_source).items():
            groups.setdefault(name, {}).setdefault(value, []).append((log["epoch"], log["loss"]))
    most = max(map(len, groups.values()))
    figure, panels = new_panels(len(groups), 3, 2.6, 1.9 + 0.07 * most, sharex="all", sharey="all")
    for axes, (name, values) in zip(panels, groups.items(), strict=True):
        for i, (value, lines) in enumerate(values.items()):
            look = {"color": PALETTE[i % len(PALETTE)], "lw": 0}
            line = bundled(lines)
            axes.fill_between(line["x"], line["low"], line["high"], alpha=0.2, **look)
            dashes = DASHES[i // len(PALETTE) % len(DASHES)]
            axes.plot(line["x"], line["value"], label=value, **(look | {"lw": 1.2, "ls": dashes}))
        _name_axes(axes, table)
        axes.set_title(name, fontsize=8.5)
        axes.legend(loc="upper right", fontsize=6.5, labelspacing=0.2, handlelength=1.4)
    figure.supxlabel("epoch", fontsize="medium")
    figure.supylabel("nats a token", fontsize="medium")
    figure.suptitle("training loss, median and middle 80% of arms", fontsize="medium")
    return figure


def _name_axes(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_yscale("log")  # it falls by a hundred times
    log_ticks(axes.yaxis, table["loss"])
    axes.grid(axis="y")
