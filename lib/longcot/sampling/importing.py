"""Taking traces that somebody else made as an arm's, or to choose from."""

from pathlib import Path

from longcot.files.manifest import Product
from longcot.files.paths import resolve
from longcot.files.strict import Strict
from longcot.traces.importing import Imported, import_traces
from longcot.traces.trace import trace_counts, write_traces


class ImportTask(Strict):
    """Traces to import, and their file in the run directory."""

    name: str
    traces: str
    imported: Imported

    def recipe(self) -> dict:
        """What decides the file's content."""
        return {"name": self.name, "traces": self.traces} | self.imported.recipe()


def import_arm(task: ImportTask, run_dir: Path) -> Path:
    """Take the traces, graded; returns our file of them. Raises BadInput as `import_traces` does."""
    from longcot.grading.grade import grade

    out, source = run_dir / task.traces, resolve(task.imported.source)
    making = Product(out, task.recipe(), [source] if source.is_file() else [])
    if not making.done:
        write_traces(out, grade(import_traces(**task.imported.model_dump())))
        making.finish(**trace_counts(out))
    return out
