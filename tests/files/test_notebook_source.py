import copy

import nbformat
import pytest

from longcot.files.notebook_source import as_committed
from longcot.files.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_that_was_run_is_saved_as_it_was(path):
    run = nbformat.read(path, as_version=4)
    run.metadata |= {"widgets": {}, "language_info": {"name": "python", "version": "3.11.7"}}
    for number, cell in enumerate(run.cells):
        cell.metadata |= {"execution": {"iopub.status.busy": "now"}, "trusted": True}
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = number, [nbformat.v4.new_output("stream", text="said")]
    as_committed({"type": "notebook", "content": run}, f"notebooks/{path.name}")
    assert nbformat.writes(run) + "\n" == path.read_text()


def test_what_lies_elsewhere_is_saved_whole():
    notebook = nbformat.v4.new_notebook(metadata={"widgets": {}})
    for path in ("runs/x/notebooks/04.ipynb", "mine.ipynb"):
        model = {"type": "notebook", "content": copy.deepcopy(notebook)}
        as_committed(model, path)
        assert model["content"] == notebook
