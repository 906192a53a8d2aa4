"""The table of training: the loss of each step."""

from collections.abc import Sequence

import pandas as pd

from longcot.errors import BadInput
from longcot.files import shown
from longcot.tables.results import Result, tidy, who


def loss_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a training step of each arm that has a loss log: `step`, `epoch`, `loss` (nats a token)."""
    rows = []
    for result in results:
        if result.loss_log and result.loss_log.is_file():
            log = pd.read_csv(result.loss_log)
            if missing := {"step", "epoch", "loss"} - set(log.columns):
                raise BadInput(f"{shown(result.loss_log)}: no column {', '.join(sorted(missing))}; train the arm again")
            rows += [who(result) | row for row in log[["step", "epoch", "loss"]].to_dict("records")]
    return tidy(rows, ("step", "epoch", "loss"), results)
