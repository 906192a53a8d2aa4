"""Where the miniature's wrong answers go wrong: which step of a response is the first that the problem does not have.

    python tests/benchmarks/wrong_steps.py runs/curation [--world 1]

The miniature's problems come with their steps, so each response of an arm can be held against them, line by line.
Prints a row for each arm of a study of conditions, its draws (`x-1`, `x-2`, …) together: percent of all responses.
"""

import argparse
import re
from pathlib import Path

import pandas as pd

from longcot.problems.miniature.annotator import step_line
from longcot.problems.miniature.families import Draft
from longcot.problems.miniature.world import World
from longcot.traces.trace import read_traces

STEP = re.compile(r"^(?:[a-z]+ \d+|[a-z]\d+): ")
KINDS = ("right", "no steps", "first step", "later step", "stops early", "goes on", "other")


def steps_written(text: str) -> list[str]:
    """The lines that are steps, each as it stands after its last correction; checks of the last line are none."""
    steps = ((line, found[0]) for line in text.splitlines() if (found := STEP.match(line)))
    return [line[line.rindex(label) :] for line, label in steps]


def kind(text: str, correct: bool, draft: Draft) -> str:
    """What is wrong first with a response. A right answer is `right`, whatever its steps."""
    if correct:
        return "right"
    expected, written = [step_line(step) for step in draft.steps], steps_written(text)
    if not written:
        return "no steps"
    if written[0] != expected[0]:
        return "first step"
    if any(a != b for a, b in zip(expected, written, strict=False)):
        return "later step"
    if len(written) == len(expected):
        return "other"
    return "stops early" if len(written) < len(expected) else "goes on"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run directory of a study of the miniature")
    parser.add_argument("--world", type=int, default=1)
    given = parser.parse_args()
    drafts = {solved.problem.id: solved.draft for solved in World(given.world).split("test")}
    rows = [
        (re.sub(r"-\d+$", "", file.parent.name), kind(trace.text, trace.correct, drafts[trace.problem_id]))
        for file in sorted(given.run.glob("traces/*/benchmark.jsonl"))
        for trace in read_traces(file)
    ]
    found = pd.DataFrame(rows, columns=["arm", "kind"])
    shares = pd.crosstab(found["arm"], found["kind"], normalize="index").reindex(columns=list(KINDS), fill_value=0)
    table = shares.mul(100).round(1)
    table.insert(0, "responses", found["arm"].value_counts())
    print(table.to_string())


if __name__ == "__main__":
    main()
