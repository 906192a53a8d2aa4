"""Ticks and their labels: a label is the number at which its tick stands, never a rounded one."""

from collections.abc import Sequence
from math import ceil, floor, log10

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

SHARES = ("correct", "repeated_4grams", "second_script", "base_pass_rate")  # measures that are fractions of 1
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))  # in a decade, from few to many


def in_percent(axis: Axis) -> None:
    """Labels of shares (fractions of 1) in percent, with as many digits as they need."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.8g}%"))


def plain(axis: Axis) -> None:
    """Labels of numbers as they are, with as many digits as they need."""
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:.8g}"))


def few_ticks(axis: Axis, measure: str) -> None:
    """Few ticks, as suit a measure: shares in percent."""
    axis.set_major_locator(MaxNLocator(3))
    if measure in SHARES:
        in_percent(axis)


def length_ticks(axis: Axis, lengths: pd.Series) -> None:
    """A few round lengths on a logarithmic scale, those between the least and the greatest; thousands as `k`."""
    _at(axis, _round_numbers(lengths, STEPS[1:]))
    axis.set_major_formatter(FuncFormatter(lambda n, _: f"{n / 1000:.8g}k" if n >= 1000 else f"{n:.8g}"))


def log_ticks(axis: Axis, values: pd.Series) -> None:
    """A few round numbers on a logarithmic scale, those between the least and the greatest."""
    _at(axis, _round_numbers(values, STEPS))
    plain(axis)


def _at(axis: Axis, ticks: Sequence[float]) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())


def _round_numbers(values: pd.Series, steps: Sequence[Sequence[float]]) -> list[float]:
    """At least two round numbers within the positive values, in the fewest steps of a decade that have two.

    Where none have, the least and the greatest value, to 3 digits, so that a label can say where its tick stands.
    """
    values = values[values > 0]
    if values.empty:
        return []
    low, high = values.min(), values.max()
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for own in steps:
        ticks = [float(f"{step}e{power}") for power in decades for step in own]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) > 1:
            return ticks
    return sorted({float(f"{low:.3g}"), float(f"{high:.3g}")})
