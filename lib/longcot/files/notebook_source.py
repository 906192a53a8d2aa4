"""A notebook of the project as it is committed: without outputs, and without what an editor adds.

JupyterLab, as `make lab` starts it, saves the notebooks in `notebooks/` so. One that is opened, run and left open makes
no change for git, and what is typed in it is saved all the same. Notebooks elsewhere, runs' executed copies too, are
saved whole.
"""

from typing import Any

FOLDER = "notebooks/"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def as_committed(model: dict[str, Any], path: str, **_: Any) -> None:
    """Jupyter's `ContentsManager.pre_save_hook`: takes out of `model`, about to be saved at `path`, what is not source.

    `path` is relative to the folder that JupyterLab was started in.
    """
    if model["type"] != "notebook" or not path.lstrip("/").startswith(FOLDER):
        return
    notebook = model["content"]
    notebook["metadata"] = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
