"""Whether what a training set is like foretells how well it teaches, over draws that differ in nothing but chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import permutation_test, spearmanr

from longcot.figures.accuracy_by_property import MEASURES
from longcot.figures.results import Result

FEWEST = 8  # draws of one condition; of fewer a rank correlation says nothing
RESAMPLES = 9999
COLUMNS = ("drawn", "draws", "measure", "spearman", "low", "high", "p")


def draws_table(properties: pd.DataFrame, results: Sequence[Result]) -> pd.DataFrame:
    """For each condition of `FEWEST` draws or more, the rank correlation of each property of a set with its pass@1.

    `properties` is `accuracy_by_property.table`. `spearman` with a 95% interval over draws (percentile bootstrap), `p`
    two-sided by permutation, not corrected for the number of properties: the table is one of few questions. Empty
    where no condition has so many draws.
    """
    drawn = {
        one.arm.name: "; ".join(f"{name}: {value}" for name, value in one.arm.condition.items()) for one in results
    }
    rows = []
    for (name, _), own in properties.groupby([properties["arm"].map(drawn), "n_train"], sort=False):
        for measure in (one for one in MEASURES if one in own and len(own) >= FEWEST and name):
            if own[measure].notna().all() and own[measure].nunique() > 1:
                given = dict(zip(COLUMNS, (name, len(own), measure), strict=False))
                rows.append(given | _correlation(own[measure].to_numpy(), own["pass_at_1"].to_numpy()))
    return pd.DataFrame(rows, columns=COLUMNS)


def _correlation(values: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Spearman's, its interval, and how often as large a one comes of shuffled scores."""
    rng = np.random.default_rng(0)
    places = rng.integers(len(values), size=(RESAMPLES, len(values)))
    again = [spearmanr(values[row], scores[row]).statistic for row in places if len(set(row)) > 2]
    low, high = np.nanquantile(again, [0.025, 0.975])
    test = permutation_test(
        (values,),
        lambda shuffled: spearmanr(shuffled, scores).statistic,
        permutation_type="pairings",
        n_resamples=RESAMPLES,
        rng=rng,
    )
    return {"spearman": test.statistic, "low": low, "high": high, "p": test.pvalue}
