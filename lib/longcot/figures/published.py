"""Published figures beside a study's own: `params/published/paper.yaml`, and which arms answer to what in it.

Only what was read at its source stands there; what nobody has measured stays empty.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from longcot.study.published import Counterparts, read_published

if TYPE_CHECKING:
    from pandas import DataFrame

    from longcot.figures.results import Result

ROWS = ("published", "benchmark", "source", "pass_at_1", "maj", "arm", "pass_at_1_here", "low", "high", "maj_here", "k")
CLAIMS = ("the paper", "source", "arm", "pass_at_1", "than", "pass_at_1_than", "difference", "low", "high")


def rows_table(beside: Counterparts, scores: "DataFrame", parts: "DataFrame") -> "DataFrame":
    """One row a published score and arm that answers to it, `ROWS`; the columns of the arm are empty where none does.

    From `ranked_arms.table` and `accuracy_by_part.table`, whose subsets are the parts of a published benchmark.
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


def claims_table(beside: Counterparts, results: "Sequence[Result]") -> "DataFrame":
    """One row a claim and arm that answers to it, `CLAIMS`: its pass@1 minus that of `than`, paired over problems.

    A claim to which no arm answers has a row with nothing else in it.
    """
    import pandas as pd

    from longcot.figures.results import accuracies
    from longcot.metrics.scores import paired_difference

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
