"""Notebooks for tests: a small one written, and the cells of one run in this process, so that a test can look on and
patch what they call.
"""

from pathlib import Path
from typing import Any

import nbformat

from longcot.files.paths import ROOT
from longcot.files.run_directory import notebook_source


def run_cells(notebook: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run all code cells of a notebook with these parameters in place of its own; returns its names."""
    names: dict[str, Any] = {}
    for cell in nbformat.read(notebook_source(ROOT, notebook), as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{notebook}, {cell.id}", "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= parameters
    return names


def write_notebook(path: Path, parameters: str, *cells: str) -> None:
    """Write a notebook of code cells, the first of them the parameters."""
    sources = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    sources += map(nbformat.v4.new_code_cell, cells)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=sources, metadata=kernel), path)
