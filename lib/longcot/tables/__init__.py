"""Tidy tables out of a study's graded traces: what every figure and every CSV of results is made from.

Each table of arms begins with who the arm is: `arm`, `source` (whose traces it learnt from, or which model it is),
`role` and `n_train`. `arm` and `source` are categories in the study's order, which is the order of rows and colours.
"""

from longcot.tables.properties import properties_table
from longcot.tables.responses import behaviours_table, lengths_table
from longcot.tables.results import WHO, Arm, Result, accuracies, read_results
from longcot.tables.samples import pass_at_k_table, votes_table
from longcot.tables.scores import (
    ARMS,
    BREAKDOWN,
    arms_table,
    breakdown_table,
    by_traces_table,
    differences_table,
    undecided_text,
    with_labels,
)
from longcot.tables.training import loss_table

__all__ = [
    "ARMS",
    "Arm",
    "BREAKDOWN",
    "Result",
    "WHO",
    "accuracies",
    "arms_table",
    "behaviours_table",
    "breakdown_table",
    "by_traces_table",
    "differences_table",
    "lengths_table",
    "loss_table",
    "pass_at_k_table",
    "properties_table",
    "read_results",
    "undecided_text",
    "votes_table",
    "with_labels",
]
