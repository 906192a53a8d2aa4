"""Behaviours counted in all traces of a file: minutes for a large one, so beside the reader and kept for next time."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from pydantic import ValidationError

from longcot.files.manifest import sha256
from longcot.files.run_directory import behaviour_counts
from longcot.files.writing import write_table
from longcot.report.explorer.index import Index
from longcot.traces.behaviours import BEHAVIOURS, RULES, behaviour_spans
from longcot.traces.trace import Trace

NOTIFY = 100  # traces
LARGE = 5_000_000  # bytes of a file from which it is worth the seconds that starting processes takes


class Counts:
    """How often each trace of an index shows each behaviour, counted beside the reader, file by file as asked for.

    `array` has a row for each row of the index and a column a behaviour, -1 where a trace is not counted yet. What is
    counted is kept as `explorer/*.csv` in the run directory, under the hash of the file and of the rules. `told` is
    called from the thread with what is being done, and once more when it is `idle`, with what went wrong.
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

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to count."""
        return self._thread is None

    def _work(self) -> None:
        wrong = ""
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    break
                file = self._wanted.pop(0)
            try:
                self._count(file)
            except OSError as error:  # a full or read-only disk: what is counted still serves this reader
                wrong = f"behaviours of {file}: {error.strerror}"
        self.told(wrong)

    def _count(self, file: str) -> None:
        rows = self.index.table.index[self.index.table["file"] == file]
        path = self.index.run_dir / file
        digest = hashlib.sha256(f"{sha256(path)} {RULES}".encode()).hexdigest()[:16]
        kept = self.index.run_dir / behaviour_counts(digest)
        if kept.is_file():
            known = pd.read_csv(kept)
            if list(known.columns) == list(BEHAVIOURS) and len(known) == len(rows):
                self.array[rows] = known.to_numpy(np.int32)
                return
        places = [
            (str(path), *place) for place in self.index.table.loc[rows, ["offset", "size"]].itertuples(index=False)
        ]
        with ExitStack() as stack:
            each = map
            if path.stat().st_size > LARGE:
                pool = stack.enter_context(get_context("spawn").Pool(os.cpu_count()))
                each = partial(pool.imap, chunksize=16)
            for done, (row, counted) in enumerate(zip(rows, each(_counted, places), strict=True)):
                if done % NOTIFY == 0:
                    self.told(f"behaviours counted in {done:,} of {len(rows):,} traces of {file}")
                self.array[row] = counted
        if (self.array[rows] >= 0).all():
            write_table(kept, pd.DataFrame(self.array[rows], columns=BEHAVIOURS))


def _counted(place: tuple[str, int, int]) -> list[int]:
    """The behaviours of the trace at (path, offset, size), -1 each where there is no trace."""
    path, offset, size = place
    with open(path, "rb") as file:
        file.seek(offset)
        line = file.read(size)
    try:
        names = [span.behaviour for span in behaviour_spans(Trace.model_validate_json(line).text)]
    except ValidationError:
        return [-1] * len(BEHAVIOURS)
    return [names.count(name) for name in BEHAVIOURS]
