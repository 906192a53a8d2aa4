"""A data sheet of a training set: what it is, how it came to be, what it is for, after Gebru et al. 2021.

Datasheets for Datasets, arXiv 1803.09010. What the files do not tell is left for a person to fill in, and says so.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from longcot.curation.training_set import read_rows
from longcot.files.manifest import read_manifest
from longcot.files.paths import model_name
from longcot.files.writing import write_whole
from longcot.traces.length import LengthMeasure
from longcot.traces.words import split_words

UNKNOWN = "*Not recorded; for the publisher to fill in.*"


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown whose cells hold any text."""
    lines = [heading, ["---"] * len(heading), *rows]
    cells = ([" ".join(cell.replace("|", "/").split()) for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def how_chosen(manifest: Mapping[str, Any]) -> str:
    """How a set was chosen from what its filters left, as `n 20, strategy balanced`; empty where it is not known."""
    beside = ("name", "traces", "also_traces", "training_set", "use", "filters")
    arm = dict(manifest.get("parameters", {}).get("arm", {}))
    parts = [arm, *map(dict, arm.pop("also", []))]
    for part in parts:
        part |= {model: model_name(part[model]) if part.get(model) else None for model in ("tokenizer", "embedding")}
    return "; besides, ".join(
        ", ".join(f"{key} {value}" for key, value in part.items() if key not in beside and value not in (None, "", []))
        for part in parts
    )


def _counted(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    counts = Counter(str(row[column]) for row in rows if row.get(column) is not None)
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "not known"


def _spread(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    values = [row[column] for row in rows if isinstance(row.get(column), int | float)]
    if not values:
        return "not known"
    known = "" if len(values) == len(rows) else f", known of {len(values)}"
    return f"{min(values):g} to {max(values):g}, median {median(values):g}{known}"


def composition(rows: Sequence[Mapping[str, Any]], tokenizer: str = "") -> list[tuple[str, str]]:
    """(property, value) of a training set's rows, as a data sheet and a dataset card show them.

    Where a row brings no number of tokens, `tokenizer` counts those of all.
    """
    counts, by = rows, ""
    if tokenizer and any(row.get("completion_tokens") is None for row in rows):
        ruler, by = LengthMeasure("tokens", tokenizer), f" of {model_name(tokenizer)}"
        counts = [{"completion_tokens": ruler.of(str(row["messages"][-1]["content"]))} for row in rows]
    lengths = [{"words": len(split_words(str(row["messages"][-1]["content"])))} for row in rows]
    return [
        ("rows", str(len(rows))),
        ("problems", str(len({row.get("problem_id", row["messages"][0]["content"]) for row in rows}))),
        ("traces of", _counted(rows, "model")),
        *([("teachers in the study", _counted(rows, "teacher"))] if any(row.get("teacher") for row in rows) else []),
        ("subjects", _counted(rows, "subject")),
        ("levels", _counted(rows, "level")),
        ("final answer correct", _counted(rows, "correct")),
        (f"length of a trace, tokens{by}", _spread(counts, "completion_tokens")),
        ("length of a trace, words", _spread(lengths, "words")),
        ("pass rate of the base model on the problem", _spread(rows, "base_pass_rate")),
    ]


def data_sheet(
    rows: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    name: str,
    terms: str = UNKNOWN,
    tokenizer: str = "",
) -> str:
    """The data sheet of a training set as Markdown, from its rows and its manifest (which may be empty).

    `terms` are the licences of its sources; for `tokenizer` see `composition`.
    """
    recipe = manifest.get("parameters", {})
    sources = "".join(f"\n- `{file}`, SHA-256 `{digest}`" for file, digest in manifest.get("inputs", {}).items())
    removed = "".join(f"\n- {label}: {count}" for label, count in manifest.get("removed", {}).items())
    chosen = how_chosen(manifest)
    made = " ".join(f"{key} {value}," for key, value in manifest.get("packages", {}).items()).rstrip(",")
    decontaminated = [label for label in manifest.get("removed", {}) if label.startswith("decontaminated")]
    held = (
        "Its problems were "
        + ("" if decontaminated else "not ")
        + "held against the study's benchmark by shared n-grams."
    )
    empty = ", nothing was edited here"
    if (recipe.get("prompt") or {}).get("empty_thoughts"):
        empty = ", but for an empty block of thoughts before those that mark none"
    if kinds := dict.fromkeys(row["transform"]["kind"] for row in rows if row.get("transform")):
        empty += f"; they were then changed on purpose ({', '.join(kinds)}), as each row says"
    return f"""# Data sheet: {name}

## Motivation

Traces of reasoning to fine-tune a language model on, chosen from a larger pool, to study which traces and how many it
takes.

## Composition

Each row is a conversation: a problem with one expected answer, and a model's or a person's worked solution. The other
columns are the properties by which it was chosen. A row marked correct has the expected final answer; its steps were
not checked. Expected answers are those of the problem set and may be wrong.

{markdown_table(("property", "value"), composition(rows, tokenizer))}

## Collection

{f"Source files:{sources}" if sources else UNKNOWN}

## Preprocessing

{f"Filters, in order, and the rows that each removed:{removed}" if removed else UNKNOWN}

{f"Chosen from what was left: {chosen}. The manifest beside the training set lists every row's fate." if chosen else ""}
Prompts were put as `{json.dumps(recipe.get("prompt"))}`; the traces are as they were written{empty}.

## Uses

Fine-tuning and its study, not evaluation. {held} Shared n-grams do
not show a paraphrase: read the nearest neighbours too before reporting a benchmark after training on these.

## Distribution and maintenance

Licence and terms are those of the problems and of the model that wrote the traces. {terms}

Made by longcot{f" at commit `{manifest['git']['commit']}`" if manifest.get("git", {}).get("commit") else ""}\
{f" on {manifest['finished_at']}" if manifest.get("finished_at") else ""}{f", with {made}" if made else ""}.
"""


def write_data_sheet(path: str | Path, tokenizer: str = "") -> Path:
    """Write the data sheet of a training set beside it, as `<set>.datasheet.md`; returns the file."""
    path = Path(path)
    sheet = path.with_name(path.name + ".datasheet.md")
    write_whole(sheet, data_sheet(read_rows(path), read_manifest(path), path.stem, tokenizer=tokenizer))
    return sheet
