"""What a run's responses are like, arm by arm: length, end, answer, loops, behaviours; means over problems.

    python tests/benchmarks/responses.py runs/smollm2-135m --samples 4

The 95% intervals are percentiles of 2,000 bootstrap draws of problems. A loop is as `longcot.traces.properties.loops`
says; behaviours are matches of the lexical rules in a response.
"""

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from longcot.traces.behaviours import behaviour_spans
from longcot.traces.properties import loops
from longcot.traces.trace import iter_traces

SHARES = ("finished", "answered", "looping", "right")
COUNTED = ("verification", "backtracking", "exploration of alternatives", "hedging", "subgoal setting")


def row(arm: Path, samples: int) -> dict[str, str]:
    """An arm's means, as text with intervals."""
    by_problem = defaultdict(list)
    for trace in iter_traces(arm / "benchmark.jsonl"):
        if trace.sample < samples:
            kinds = [span.behaviour for span in behaviour_spans(trace.text)]
            of = [trace.finish_reason == "stop", trace.answer is not None, bool(loops(trace.text)), bool(trace.correct)]
            by_problem[trace.problem_id].append([trace.completion_tokens, *of, *map(kinds.count, COUNTED)])
    means = np.array([np.mean(rows, axis=0) for rows in by_problem.values()], dtype=float)
    found = {"arm": arm.name}
    for name, values in zip(("tokens", *SHARES, *COUNTED), means.T, strict=True):
        scale, form = (100, "{:.1f}") if name in SHARES else (1, "{:.0f}" if name == "tokens" else "{:.2f}")
        numbers = [values.mean()] * 3
        if values.std():
            interval = bootstrap([values], np.mean, n_resamples=2000, method="percentile", rng=0).confidence_interval
            numbers = [values.mean(), *interval]
        found[name] = "{} ({} to {})".format(*(form.format(number * scale) for number in numbers))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=4, help="of each problem")
    given = parser.parse_args()
    arms = sorted(path.parent for path in (given.run / "traces").glob("*/benchmark.jsonl"))
    with ProcessPoolExecutor() as workers:
        rows = list(workers.map(row, arms, [given.samples] * len(arms)))
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
