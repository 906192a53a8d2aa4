"""How likely a base model finds a trace, kept in a table beside the file of traces."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import EVERY_LIKELIHOOD

COLUMNS = ("problem_id", "sample", "stage", "digest", "tokens", "logprob", "rsr")
TEXTS = dict.fromkeys(("problem_id", "stage", "digest"), str)  # columns that are no numbers


class Likelihood(NamedTuple):
    """Of a response that is put to a model as it would be learnt: its tokens, and what the model makes of them.

    `logprob` is the mean log-probability in nats a token, `rsr` the rank-surprisal ratio (`models.likelihood`); both
    are NaN for a response that does not fit the model's context.
    """

    tokens: int
    logprob: float
    rsr: float


def digest(problem_id: str, text: str) -> str:
    """What a response to a problem is known by: the first 16 hexadecimal digits of a SHA-256 of both."""
    return hashlib.sha256(f"{problem_id}\0{text}".encode()).hexdigest()[:16]


def read_likelihoods(run_dir: str | Path) -> dict[str, Likelihood]:
    """The likelihoods by `digest` that stand beside the traces of a run directory.

    Raises BadInput for a table with other columns.
    """
    import pandas as pd

    found: dict[str, Likelihood] = {}
    for path in sorted(Path(run_dir).glob(EVERY_LIKELIHOOD)):
        table = pd.read_csv(path, dtype=TEXTS)
        if tuple(table.columns) != COLUMNS:
            raise BadInput(f"{display_path(path)}: no table of likelihoods; delete it and run notebook 02 again")
        found |= {row.digest: Likelihood(row.tokens, row.logprob, row.rsr) for row in table.itertuples()}
    return found
