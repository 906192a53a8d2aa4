"""What a run's responses are like, arm by arm: what notebook 02 measures of traces to learn from, of those that came.

    python tests/benchmarks/responses.py runs/smollm2-135m

Means over problems with the 95% intervals of `profile_table`; `loops` is the share of responses with one.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from longcot.curation.pool_tables import behaviour_columns, trace_table
from longcot.figures.curation_profiles import profile_table
from longcot.traces.length import LengthMeasure
from longcot.traces.trace import iter_traces


def profile(arm: Path) -> pd.DataFrame:
    """An arm's measures, a row each."""
    table = trace_table(iter_traces(arm / "benchmark.jsonl"), LengthMeasure("tokens"))
    table = table.assign(arm=arm.name, loops=(table["loops"] > 0).astype(float))
    return profile_table(table, "arm", ["tokens", "finished", "loops", "correct", *behaviour_columns(table)])


def main() -> None:
    """Prints a row an arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    arms = sorted(path.parent for path in (parser.parse_args().run / "traces").glob("*/benchmark.jsonl"))
    with ProcessPoolExecutor() as workers:
        rows = pd.concat(workers.map(profile, arms))
    rows["shown"] = [f"{row.mean:.3g} ({row.low:.3g} to {row.high:.3g})" for row in rows.itertuples()]
    print(rows.pivot(index="arm", columns="measure", values="shown")[rows.measure.unique()].to_markdown())


if __name__ == "__main__":
    main()
