"""Published figures, and which arms of a study answer to what in them: `params/published/paper.yaml`.

Only what was read at its source stands there; what nobody has measured stays empty.
"""

import functools
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from longcot.files.errors import BadInput
from longcot.files.paths import resolve
from longcot.files.strict import Strict, worst
from longcot.files.yaml_file import read_yaml

FILE = "params/published/paper.yaml"

Percent = Annotated[float, Field(ge=0, le=100)]


class Counterpart(Strict):
    """The arms of a study that answer to a claim, and the one that they are compared with."""

    arms: list[str] = Field(min_length=1)  # of which something is claimed
    than: str  # the arm that they are compared with


class Counterparts(Strict):
    """Which arms of a study answer to which published row and claim, by the keys of `params/published/paper.yaml`.

    An arm answers to a row only if it is that model, trained and sampled as the deviations say. To a claim another
    study's arms may answer too: they stand in the same relation, and are no evidence about the paper's models.
    """

    benchmark: str = ""  # the published benchmark that the study's whole benchmark is
    rows: dict[str, list[str]] = {}  # of the published scores: the arms that are the same
    claims: dict[str, Counterpart] = {}  # of the paper: the arms that stand in the same relation


class Source(Strict):
    """Where something was read."""

    what: str
    url: str


class Claim(Strict):
    """What the paper says, in our words."""

    says: str
    source: str


class Score(Strict):
    """Percent on a benchmark; `maj` is a majority vote of 64."""

    benchmark: str
    pass_at_1: Percent
    maj: Percent | None = None
    source: str


class Row(Strict):
    """A model's published scores; `size` and `tokens` (mean length) are of the traces it was trained on."""

    what: str
    size: int | None = None
    tokens: int | None = None
    scores: list[Score]


class Published(Strict):
    """All of `params/published/paper.yaml`."""

    sources: dict[str, Source]
    claims: dict[str, Claim]
    rows: dict[str, Row]


@functools.lru_cache(maxsize=1)
def read_published() -> Published:
    """The published figures. Raises BadInput for a file that is not as it should be."""
    file = read_yaml(resolve(FILE))
    try:
        found = Published.model_validate(file.values)
    except ValidationError as error:
        place, words = worst(error, Published)
        raise BadInput(f"{file.where(place)}: {'.'.join(map(str, place))}: {words}") from None
    used = [claim.source for claim in found.claims.values()]
    used += [score.source for row in found.rows.values() for score in row.scores]
    if unknown := set(used) - found.sources.keys():
        raise BadInput(f"{file.where(('sources',))}: no source {sorted(unknown)[0]!r}; add it under sources")
    return found


def check_published(beside: Counterparts, arms: Sequence[str]) -> None:
    """See that a study's `published` names rows, claims and arms that are there. Raises BadInput."""
    published = read_published()
    for kind, given, known in (
        ("rows", beside.rows, published.rows),
        ("claims", beside.claims, published.claims),
        ("arms", [arm for own in beside.rows.values() for arm in own], arms),
        ("arms", [arm for own in beside.claims.values() for arm in (*own.arms, own.than)], arms),
    ):
        if unknown := [name for name in given if name not in known]:
            raise BadInput(f"published: no {kind.removesuffix('s')} {unknown[0]!r}; use one of {', '.join(known)}")
