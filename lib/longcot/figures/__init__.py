"""The figures: each a function from a tidy table (see `tables`) to a matplotlib Figure. To change one, edit it.

What they share, colours, markers, legends and how a figure is saved, is in `style`.
"""

from longcot.figures.curation import filter_fates, places, profiles, spreads
from longcot.figures.properties import accuracy_by_property, conditions
from longcot.figures.responses import behaviours, response_lengths
from longcot.figures.samples import pass_at_k, votes
from longcot.figures.scores import accuracy_by_part, accuracy_by_traces, differences, ranked_arms
from longcot.figures.style import save_figure
from longcot.figures.training import training_loss, training_progress

__all__ = [
    "accuracy_by_part",
    "accuracy_by_property",
    "accuracy_by_traces",
    "behaviours",
    "conditions",
    "differences",
    "filter_fates",
    "pass_at_k",
    "places",
    "profiles",
    "ranked_arms",
    "response_lengths",
    "save_figure",
    "spreads",
    "training_loss",
    "training_progress",
    "votes",
]
