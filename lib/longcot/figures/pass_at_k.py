"""At least one right of k samples, against k."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from longcot.figures.results import Result
from longcot.figures.sample_curves import curves_table, draw_curves
from longcot.metrics.scores import pass_at_k


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row an arm and k: `value` is pass@k, unbiased (`metrics.pass_at_k`). See `sample_curves.curves_table`."""
    return curves_table(results, lambda ids, correct, k: pass_at_k(len(correct), sum(correct), k))


def draw(table: pd.DataFrame) -> Figure:
    """The chance that at least one of k samples is right, against k."""
    return draw_curves(table, "pass@k", "k, samples of a problem")
