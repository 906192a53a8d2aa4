"""What ended a notebook's run, in one line that helps, and an executed copy that is whole whatever happens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import papermill
from papermill.iorw import LocalHandler, papermill_io

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.privacy import scrubbed
from longcot.files.writing import FULL_WORDS, full_disk, write_whole

AGAIN = "run the same command again: it goes on from what is written"
NO_MEMORY = (
    f"run fewer jobs at once (CORES=1, jobs.per_gpu=1), lower sampling.batch_size or lora.max_length, then {AGAIN}"
)
OTHERS = re.compile(r" (?:Process \d|Including ).*")  # torch lists all that is on the GPU, and settings of its own
INTERRUPTED = f"interrupted by hand; {AGAIN}"
DIED = f"the kernel died, out of memory most often (the system's log says so); {NO_MEMORY}"


class _WholeCopies(LocalHandler):
    """Papermill's way to a file, but written whole: it saves at each cell, and a save that is cut is no notebook.

    What an executed copy says of this machine, as tracebacks and Papermill's own record do, is taken out.
    """

    def write(self, buf: str, path: str) -> None:
        write_whole(path, scrubbed(buf))


def reason(name: str, value: str, output: str | Path) -> str:
    """An exception of a kernel, by its name and words, as one line with what to do. `output`: the executed copy."""
    first = next(iter(value.strip().splitlines()), "")
    if name == "BadInput":
        return first
    if any(words in value for words in FULL_WORDS):
        return full_disk(output)
    if name == "KeyboardInterrupt":
        return INTERRUPTED
    if name in ("MemoryError", "OutOfMemoryError") or "CUDA error: out of memory" in first:
        return f"out of memory ({OTHERS.sub('', first) or name}); {NO_MEMORY}"
    return f"{name}: {first}" if first else name


def _note(output: Path, words: str) -> None:
    """Say at the top of an executed copy how its run ended; one that cannot be read or written stays as it is."""
    with suppress(OSError, ValueError):  # BadInput is a ValueError, as is what is no JSON
        notebook = nbformat.read(output, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**This run did not end: {words}**"))
        write_whole(output, scrubbed(nbformat.writes(notebook)))


@contextmanager
def one_line_errors(output: Path) -> Iterator[None]:
    """Around Papermill, whose executed copy is `output`. Raises BadInput: what went wrong, where, and what to do."""
    papermill_io.register(str(output), _WholeCopies())
    try:
        yield
    except papermill.PapermillExecutionError as error:
        words = reason(error.ename, error.evalue, output)
        raise BadInput(f"{words} (executed copy: {display_path(output)}, cell {error.exec_count})") from None
    except (RuntimeError, KeyboardInterrupt) as error:  # of nbclient and of jupyter_client
        if isinstance(error, RuntimeError) and "ernel died" not in str(error):
            raise
        words = DIED if isinstance(error, RuntimeError) else INTERRUPTED
        _note(output, words)
        raise BadInput(f"{words} (executed copy: {display_path(output)})") from None
