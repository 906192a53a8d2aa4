"""A majority vote over k samples, against k."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.results import Result
from longcot.figures.sample_curves import curves_table, draw_curves
from longcot.metrics.scores import majority_at_k


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and k: `value` is the accuracy of a vote over k samples (`metrics.majority_at_k`).

    Votes are over equivalent answers. See `sample_curves.curves_table`.
    """
    return curves_table(results, majority_at_k)


def draw(table: pd.DataFrame) -> Figure:
    """The chance that a majority vote over k samples is right, against k."""
    return draw_curves(table, "majority right", "k, samples voted over")
