"""A training set as a folder that is ready for the Hub: Parquet, a dataset card with its metadata, the data sheet.

`longcot publish TRAINING_SET FOLDER`; then `datasets.load_dataset(FOLDER)`, or
`hf upload OWNER/NAME FOLDER --repo-type dataset`.
"""

from pathlib import Path

from longcot.curation.data_sheet import UNKNOWN, composition, data_sheet, markdown_table
from longcot.curation.training_set import read_rows
from longcot.files.errors import BadInput
from longcot.files.manifest import read_manifest
from longcot.files.writing import check_new, whole_folder
from longcot.study.checks import at_hand

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
HERE = "path/to/this/folder"


def is_hub_id(name: str) -> bool:
    """Whether a name is `OWNER/NAME`, as a repository's on the Hub."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1 and not at_hand(name)


def check_hub_id(option: str, name: str) -> None:
    """Raises BadInput where an option that was given is no Hub id."""
    if name and not is_hub_id(name):
        raise BadInput(f"{option} {name}: not a Hub id; write OWNER/NAME")


def write_dataset(
    training_set: str | Path,
    folder: str | Path,
    license: str = "unknown",
    language: str = "en",
    *,
    repo: str = "",
    terms: str = UNKNOWN,
    more: str = "",
) -> None:
    """Write a new `folder` from a training set (JSONL): `data/train.parquet`, `README.md`, `DATASHEET.md`.

    `license` and `language` are the Hub's identifiers for the card's metadata, `repo` is the Hub id under which the
    data will lie, for the code in the card, `terms` are the licences of its sources, and `more` is Markdown that ends
    the card. Raises BadInput where the folder is there and holds something, for a `repo` that is no Hub id, and for a
    file that is no training set.
    """
    from datasets import Dataset
    from huggingface_hub import DatasetCard, DatasetCardData

    folder = Path(folder)
    check_new(folder)
    check_hub_id("--repo", repo)
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
        f'traces = load_dataset("{repo or HERE}", split="train")\n```\n{more}'
    )
    with whole_folder(folder) as draft:
        (draft / "data").mkdir()
        Dataset.from_list(rows).to_parquet(draft / "data" / "train.parquet")
        card.save(draft / "README.md")
        (draft / "DATASHEET.md").write_text(data_sheet(rows, manifest, name, terms), encoding="utf-8")
