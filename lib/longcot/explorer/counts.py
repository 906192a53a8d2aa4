"""Behaviours counted in all traces of a file: minutes for a large one, so beside the reader and kept for next time."""

import hashlib
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from longcot.behaviours import BEHAVIOURS, RULES, behaviour_spans
from longcot.errors import BadInput
from longcot.explorer.index import Index
from longcot.files import write_table
from longcot.manifest import sha256

NOTIFY = 200  # traces


class Counts:
    """How often each trace of an index shows each behaviour, counted by a thread, file by file as they are asked for.

    `array` has a row for each row of the index and a column a behaviour, -1 where a trace is not counted yet. What is
    counted is kept as `explorer/*.csv` in the run directory, under the hash of the file and of the rules. `told` is
    called from the thread with what is being done, and with an empty text when there is nothing left to do.
    """

    def __init__(self, index: Index, told: Callable[[str], None] = lambda text: None):
        self.index, self.told = index, told
        self.array = np.full((len(index.table), len(BEHAVIOURS)), -1, np.int32)
        self._wanted: list[str] = []
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, files: Sequence[str]) -> None:
        """Count the traces of these files too, after those that were asked for before. Returns at once."""
        with self._lock:
            self._wanted += [file for file in files if file not in self._asked]
            self._asked.update(files)
            if self._wanted and self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until all that was asked for is counted."""
        while thread := self._thread:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    break
                file = self._wanted.pop(0)
            self._count(file)
        self.told("")

    def _count(self, file: str) -> None:
        rows = self.index.table.index[self.index.table["file"] == file]
        digest = hashlib.sha256(f"{sha256(self.index.run_dir / file)} {RULES}".encode()).hexdigest()[:16]
        kept = self.index.run_dir / "explorer" / f"behaviours-{digest}.csv"
        if kept.is_file():
            known = pd.read_csv(kept)
            if list(known.columns) == list(BEHAVIOURS) and len(known) == len(rows):
                self.array[rows] = known.to_numpy(np.int32)
                return
        for done, row in enumerate(rows):
            if done % NOTIFY == 0:
                self.told(f"behaviours counted in {done:,} of {len(rows):,} traces of {file}")
            try:
                names = [span.behaviour for span in behaviour_spans(self.index.read(row).text)]
            except BadInput as error:  # what cannot be shown has no behaviours either
                self.told(str(error))
                return
            self.array[row] = [names.count(name) for name in BEHAVIOURS]
        write_table(kept, pd.DataFrame(self.array[rows], columns=BEHAVIOURS))
