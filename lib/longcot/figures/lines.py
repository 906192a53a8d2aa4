"""Many lines in one figure: named where they end, and bundled where there are too many to be told apart."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

MOST = 24  # lines that are named one by one
BAND = (0.1, 0.9)  # the quantiles between which a band lies


def end_labels(axes: Axes, height: float, ends: Mapping[str, tuple[float, str]]) -> None:
    """Names to the right of the axes, each (name: value, colour) at its line's last value, or as near as there is room.

    `height` is the figure's, in inches; the limits of the axes are to be set before.
    """
    low, high = axes.get_ylim()
    names = sorted(ends, key=lambda name: ends[name][0])
    wanted = [(ends[name][0] - low) / (high - low) for name in names]
    places = spread(wanted, gap=0.15 / (height - 0.9))
    for name, end, place in zip(names, wanted, places, strict=True):
        colour = ends[name][1]
        across = axes.transAxes
        axes.plot([1.0, 1.03], [end, place], transform=across, color=colour, lw=0.6, clip_on=False, alpha=0.7)
        axes.text(1.04, place, name, transform=across, color=colour, fontsize=8, va="center")


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places at least a gap apart, in the order of those wanted (ascending) and near them, between 0 and 1.

    Places that collide make a group around the mean of those wanted: isotonic regression by pooling neighbours.
    """
    groups: list[list[float]] = []  # where a group starts, and how many it has
    for place in wanted:
        groups.append([min(max(place, 0.0), 1.0), 1])
        while len(groups) > 1 and groups[-2][0] + groups[-2][1] * gap > groups[-1][0]:
            start, count = groups.pop()
            before, already = groups[-1]
            whole = already + count
            mean = (before * already + (start - already * gap) * count) / whole
            groups[-1] = [max(min(mean, 1 - (whole - 1) * gap), 0.0), whole]
    return [start + i * gap for start, count in groups for i in range(int(count))]


def bundled(lines: Sequence[tuple[pd.Series, pd.Series]], points: int = 80) -> pd.DataFrame:
    """The median (`value`) and the band (`low`, `high`) of lines, each (x, y), at `points` places that all have.

    Between its points a line is straight.
    """
    start, end = max(x.min() for x, _ in lines), min(x.max() for x, _ in lines)
    at = np.linspace(start, end, points)
    values = np.array([np.interp(at, x, y) for x, y in lines])
    low, high = np.quantile(values, BAND, axis=0)
    return pd.DataFrame({"x": at, "value": np.median(values, axis=0), "low": low, "high": high})
