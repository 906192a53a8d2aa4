"""Words looked for in the texts of traces, which are read from their files as they are searched."""

import numpy as np
import pandas as pd
from pydantic_core import from_json

from longcot.report.explorer.index import Index


class Search:
    """Searches traces of an index, and keeps what it found, so that other filters do not search anew."""

    def __init__(self, index: Index):
        self._index = index
        self._found: dict[tuple[str, str], np.ndarray] = {}

    def holding(self, rows: pd.DataFrame, words: str) -> pd.Series:
        """Whether the text of each of these traces holds the words, as one, in any case and however wide apart.

        Seconds for half a gigabyte. A line that is no trace any more holds nothing.
        """
        wanted = _plain(words)
        for file in rows["file"].unique():
            if (file, wanted) not in self._found:
                self._found[file, wanted] = self._search(file, wanted)
        known = np.concatenate([self._found[file, wanted] for file in rows["file"].unique()])
        return pd.Series(rows.index.isin(known), rows.index)

    def _search(self, file: str, wanted: str) -> np.ndarray:
        """The rows of a file whose text holds the words."""
        places = self._index.table.loc[self._index.table["file"] == file, ["offset", "size"]]
        found = []
        with open(self._index.run_dir / file, "rb", buffering=1 << 20) as lines:
            for row, offset, size in places.itertuples():
                lines.seek(offset)
                try:
                    text = from_json(lines.read(size))["text"]
                except (ValueError, KeyError, TypeError):
                    continue
                if wanted in _plain(text):
                    found.append(row)
        return np.array(found, int)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
