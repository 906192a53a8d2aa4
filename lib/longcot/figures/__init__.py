"""The figures: each a function from a tidy table (see `tables`) to a matplotlib Figure. To change one, edit it.

What they share, colours, markers, legends and how a figure is saved, is in `style`.
"""

from longcot.figures.accuracy_by_part import accuracy_by_part
from longcot.figures.accuracy_by_property import accuracy_by_property
from longcot.figures.accuracy_by_traces import accuracy_by_traces
from longcot.figures.behaviours import behaviours
from longcot.figures.by_samples import pass_at_k, votes
from longcot.figures.conditions import conditions
from longcot.figures.differences import differences
from longcot.figures.filter_fates import filter_fates
from longcot.figures.live_loss import training_progress
from longcot.figures.places import places
from longcot.figures.profiles import profiles
from longcot.figures.ranked_arms import ranked_arms
from longcot.figures.response_lengths import response_lengths
from longcot.figures.spreads import spreads
from longcot.figures.style import save_figure
from longcot.figures.training_loss import training_loss

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
