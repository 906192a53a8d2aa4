"""Published figures beside a study's own: `params/published/paper.yaml`, and which arms answer to what in it.

Only what was read at its source stands there; what nobody has measured stays empty.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field, ValidationError

from longcot.errors import BadInput
from longcot.files import resolve, shown
from longcot.settings import Strict

if TYPE_CHECKING:
    from pandas import DataFrame

    from longcot.tables import Result

FILE = "params/published/paper.yaml"
Percent = Annotated[float, Field(ge=0, le=100)]
ROWS = ("published", "benchmark", "source", "pass_at_1", "maj", "arm", "pass_at_1_here", "low", "high", "maj_here", "k")
CLAIMS = ("the paper", "source", "arm", "pass_at_1", "than", "pass_at_1_than", "difference", "low", "high")


class Counterpart(Strict):
    """The arms of a study that answer to a claim, and the one that they are compared with."""

    arms: list[str] = Field(min_length=1)
    than: str


class Beside(Strict):
    """Which arms of a study answer to which published row and claim, by the keys of `params/published/paper.yaml`.

    An arm answers to a row only if it is that model, trained and sampled as the deviations say. To a claim another
    study's arms may answer too: they stand in the same relation, and are no evidence about the paper's models.
    """

    benchmark: str = ""  # the published benchmark that the study's whole benchmark is
    rows: dict[str, list[str]] = {}
    claims: dict[str, Counterpart] = {}


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
    try:
        found = Published.model_validate(yaml.safe_load(resolve(FILE).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise BadInput(f"{FILE}: cannot be used ({str(error).splitlines()[0]}); mend it") from None
    used = [claim.source for claim in found.claims.values()]
    used += [score.source for row in found.rows.values() for score in row.scores]
    if unknown := set(used) - found.sources.keys():
        raise BadInput(f"{shown(resolve(FILE))}: no source {sorted(unknown)[0]!r}; add it under sources")
    return found


def check_published(beside: Beside, arms: Sequence[str]) -> None:
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


def rows_table(beside: Beside, scores: "DataFrame", parts: "DataFrame") -> "DataFrame":
    """One row a published score and arm that answers to it, `ROWS`; the columns of the arm are empty where none does.

    From `tables.arms_table` and `tables.breakdown_table`, whose subsets are the parts of a published benchmark.
    Published scores are turned into fractions of 1, as ours are.
    """
    import pandas as pd

    published, rows = read_published(), []
    subsets = parts[parts["by"] == "subset"]
    for key, row in published.rows.items():
        for score in row.scores:
            said = {
                "published": row.what,
                "benchmark": score.benchmark,
                "source": score.source,
                "pass_at_1": score.pass_at_1 / 100,
                "maj": None if score.maj is None else score.maj / 100,
            }
            own = scores if score.benchmark == beside.benchmark else subsets[subsets["value"] == score.benchmark]
            own = own.set_index("arm")
            arms = [arm for arm in beside.rows.get(key, []) if beside.benchmark and arm in own.index]
            rows += [said | _here(arm, own.loc[arm]) for arm in arms] or [said]
    return pd.DataFrame(rows, columns=list(ROWS))


def _here(arm: str, score: Mapping) -> dict:
    return {
        "arm": arm,
        "pass_at_1_here": score["pass_at_1"],
        "low": score["pass_at_1_low"],
        "high": score["pass_at_1_high"],
        "maj_here": score["maj_at_k"],
        "k": str(score["k"]),
    }


def claims_table(beside: Beside, results: "Sequence[Result]") -> "DataFrame":
    """One row a claim and arm that answers to it, `CLAIMS`: its pass@1 minus that of `than`, paired over problems.

    A claim to which no arm answers has a row with nothing else in it.
    """
    import pandas as pd

    from longcot.metrics import paired_difference
    from longcot.tables import accuracies

    published, rows = read_published(), []
    by_name = {result.arm.name: result for result in results}
    for key, claim in published.claims.items():
        said = {"the paper": claim.says, "source": claim.source}
        own = beside.claims.get(key)
        for name in own.arms if own else []:
            arm, than = by_name[name], by_name[own.than]
            apart = paired_difference(than.traces, arm.traces)
            rows.append(
                said
                | {"arm": name, "pass_at_1": accuracies([arm]).mean()}
                | {"than": own.than, "pass_at_1_than": accuracies([than]).mean()}
                | {key: apart[key] for key in ("difference", "low", "high")}
            )
        if not own:
            rows.append(said)
    return pd.DataFrame(rows, columns=list(CLAIMS))


def table_html(table: "DataFrame") -> str:
    """A table as HTML: whole texts, three decimals, empty where nothing is known; the first column is said once."""
    import pandas as pd

    texts = table.map(lambda value: "" if pd.isna(value) else f"{value:.3f}" if isinstance(value, float) else value)
    first = table.columns[0]
    texts[first] = texts[first].mask(table[first].eq(table[first].shift()), "")
    with pd.option_context("display.max_colwidth", None):
        return texts.to_html(index=False)


def sources_text() -> str:
    """Where the published figures were read, as Markdown."""
    return "\n".join(f"- {name}: {source.what}, <{source.url}>" for name, source in read_published().sources.items())
