"""A training set as a folder that is ready for the Hub: Parquet, a dataset card with its metadata, the data sheet.

`python -m longcot.curation.hub_dataset TRAINING_SET FOLDER [--license LICENSE]`; then
`datasets.load_dataset(FOLDER)`, or
`hf upload OWNER/NAME FOLDER --repo-type dataset`.
"""

import argparse
import sys
from pathlib import Path

from longcot.curation.data_sheet import UNKNOWN, composition, data_sheet, markdown_table
from longcot.curation.training_set import read_rows
from longcot.files.errors import BadInput, command
from longcot.files.manifest import read_manifest
from longcot.files.paths import shown
from longcot.files.writing import whole_folder

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
HERE = "path/to/this/folder"


def check_new(folder: Path) -> None:
    """Raises BadInput where a folder to write is there already and holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{shown(folder)}: it is there and not empty; name a new folder")


def write_dataset(
    training_set: str | Path,
    folder: str | Path,
    license: str = "unknown",
    language: str = "en",
    *,
    repo: str = HERE,
    terms: str = UNKNOWN,
    more: str = "",
) -> None:
    """Write a new `folder` from a training set (JSONL): `data/train.parquet`, `README.md`, `DATASHEET.md`.

    `license` and `language` are the Hub's identifiers for the card's metadata, `repo` is where the card says that the
    data lie, `terms` are the licences of its sources, and `more` is Markdown that ends the card. Raises BadInput where
    the folder is there and holds something, and for a file that is no training set.
    """
    from datasets import Dataset
    from huggingface_hub import DatasetCard, DatasetCardData

    folder = Path(folder)
    check_new(folder)
    rows, manifest, name = read_rows(training_set), read_manifest(training_set), Path(training_set).stem
    metadata = DatasetCardData(
        pretty_name=name,
        license=license,
        language=[language],
        task_categories=["text-generation"],
        size_categories=[next((size for limit, size in _SIZES if len(rows) < limit), "n>1M")],
        tags=["reasoning", "chain-of-thought", "math", "longcot"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    )
    columns = ", ".join(f"`{column}`" for column in rows[0])
    card = DatasetCard(
        f"---\n{metadata.to_yaml()}\n---\n\n# {name}\n\n{len(rows)} traces of reasoning to fine-tune on, chosen by "
        "longcot to study which traces a model learns from. How they were chosen, and what to mind: `DATASHEET.md`.\n\n"
        f"{markdown_table(('property', 'value'), composition(rows))}\n\n"
        f"Columns: {columns}. `messages` is the conversational form that trainers read.\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        f'traces = load_dataset("{repo}", split="train")\n```\n{more}'
    )
    with whole_folder(folder) as draft:
        (draft / "data").mkdir()
        Dataset.from_list(rows).to_parquet(draft / "data" / "train.parquet")
        card.save(draft / "README.md")
        (draft / "DATASHEET.md").write_text(data_sheet(rows, manifest, name, terms), encoding="utf-8")


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot.curation.hub_dataset", description=__doc__.splitlines()[0])
    parser.add_argument("training_set")
    parser.add_argument("folder")
    parser.add_argument("--license", default="unknown", help="the Hub's identifier, as apache-2.0")
    parser.add_argument("--language", default="en")
    given = parser.parse_args()
    write_dataset(given.training_set, given.folder, given.license, given.language)
    print(f"{given.folder}: load it with datasets.load_dataset, publish it with hf upload")


if __name__ == "__main__":
    sys.exit(main())
