"""Precision and recall of the rules in `longcot.traces.behaviours` on the paragraphs labelled by hand.

`LONGCOT_DATA=… python tests/benchmarks/behaviours.py` prints a table; what the halves are and how the labels were made
stands in tests/behaviour_labels/README.md.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from longcot.files.paths import resolve
from longcot.files.rows import json_rows
from longcot.traces.behaviours import BEHAVIOURS, behaviour_spans

LABELS = Path(__file__).parents[1] / "behaviour_labels" / "labels.jsonl"
HALVES = ("development", "held out", "fresh")


def labelled() -> list[tuple[dict, str]]:
    """(row of labels, the paragraph's text) of each labelled paragraph, read from LONGCOT_DATA."""
    rows = [json.loads(line) for line in LABELS.open()]
    texts = {
        (file, row["id"]): row["generation"]
        for file in {row["file"] for row in rows}
        for _, row in json_rows(resolve(f"data:traces/{file}"))
    }
    return [(row, texts[row["file"], row["id"]][row["start"] : row["end"]]) for row in rows]


def score(paragraphs: Iterable[tuple[dict, str]]) -> dict[str, Counter]:
    """Of each behaviour: paragraphs with the label and a match (`both`), a match only, the label only."""
    counts: dict[str, Counter] = {name: Counter() for name in BEHAVIOURS}
    for row, text in paragraphs:
        found = {span.behaviour for span in behaviour_spans(text)}
        for name in BEHAVIOURS:
            kind = {(True, True): "both", (True, False): "match", (False, True): "label"}
            if (name in found, name in row["labels"]) in kind:
                counts[name][kind[name in found, name in row["labels"]]] += 1
    return counts


def main() -> None:
    """Print the table, as it stands in README.md beside this."""
    paragraphs = labelled()
    groups = {half: [pair for pair in paragraphs if pair[0]["half"] == half] for half in HALVES}
    groups["random, not development"] = [
        pair for pair in paragraphs if pair[0]["drawn"] == "random" and pair[0]["half"] != "development"
    ]
    print("| paragraphs | behaviour | labelled | precision | recall |\n|---|---|---|---|---|")
    for group, pairs in groups.items():
        for name, count in score(pairs).items():
            found, real = count["both"] + count["match"], count["both"] + count["label"]
            cells = f"{count['both']}/{found} = {count['both'] / found:.2f} | {count['both']}/{real} = "
            print(f"| {group} ({len(pairs)}) | {name} | {real} | {cells}{count['both'] / real:.2f} |")


if __name__ == "__main__":
    main()
