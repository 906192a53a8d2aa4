"""Where the miniature's wrong answers go wrong: which step of a response is the first that the problem does not have.

    python tests/benchmarks/wrong_steps.py runs/curation [--world 1]

The miniature's problems come with their steps, so each response of an arm can be held against them, line by line.
Prints a row for each arm of a study of conditions, its draws (`x-1`, `x-2`, …) together: percent of all responses.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from longcot.miniature.annotator import step_line
from longcot.miniature.families import Draft
from longcot.miniature.world import World
from longcot.traces import read_traces

STEP = re.compile(r"^(?:[a-z]+ \d+|[a-z]\d+): ")
KINDS = ("right", "no steps", "first step", "later step", "stops early", "goes on", "other")


def steps_written(text: str) -> list[str]:
    """The lines that are steps, each as it stands after its last correction; checks of the last line are none."""
    lines = (line for line in text.splitlines() if STEP.match(line))
    return [line[line.rindex(STEP.match(line).group()) :] for line in lines]


def kind(text: str, correct: bool, draft: Draft) -> str:
    """What is wrong first with a response. A right answer is `right`, whatever its steps."""
    if correct:
        return "right"
    expected, written = [step_line(step) for step in draft.steps], steps_written(text)
    if not written:
        return "no steps"
    same = next((i for i, (a, b) in enumerate(zip(expected, written, strict=False)) if a != b), None)
    if same is not None:
        return "first step" if same == 0 else "later step"
    if len(written) == len(expected):
        return "other"
    return "stops early" if len(written) < len(expected) else "goes on"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run directory of a study of the miniature")
    parser.add_argument("--world", type=int, default=1)
    given = parser.parse_args()
    drafts = {solved.problem.id: solved.draft for solved in World(given.world).split("test")}
    rows = {}
    for folder in sorted((given.run / "traces").iterdir()):
        if not (folder / "benchmark.jsonl").exists():
            continue
        counts = rows.setdefault(re.sub(r"-\d+$", "", folder.name), Counter())
        for trace in read_traces(folder / "benchmark.jsonl"):
            counts[kind(trace.text, trace.correct, drafts[trace.problem_id])] += 1
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(KINDS)).fillna(0)
    table.insert(0, "responses", table.sum(axis=1).astype(int))
    table[list(KINDS)] = table[list(KINDS)].div(table["responses"], axis=0).mul(100).round(1)
    print(table.to_string())


if __name__ == "__main__":
    main()
