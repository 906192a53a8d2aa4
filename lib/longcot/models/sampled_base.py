"""What is sampled for a model at a precision."""

from pathlib import Path

from longcot.files.manifest import Making
from longcot.files.paths import model_name, model_source
from longcot.files.writing import locked


def sampled_folder(path: str, revision: str, run_dir: Path) -> Path:
    """The directory of a model as its NF4 version computes it, whether it was made yet or not."""
    name = model_name(path) + (f"@{revision}" if revision else "")
    return run_dir / "models" / (name.replace("/", "--") + "-nf4")


def sampled_base(
    path: str, precision: str, dtype: str, run_dir: Path, revision: str = "", trust_remote_code: bool = False
) -> tuple[str, str]:
    """(directory or Hub id, dtype) of what is sampled for a model at a precision.

    One base, one precision: for `nf4` it is the base as its 4-bit version computes it, made once in
    `run_dir`/models/ in `dtype` (the compute type of training). Other precisions are the dtype itself.
    """
    if precision != "nf4":
        return model_source(path), precision
    name, source = model_name(path), model_source(path)
    folder = sampled_folder(path, revision, run_dir)
    inputs = [source] if Path(source).is_dir() else []
    recipe = {"model": name, "precision": precision, "dtype": dtype} | ({"revision": revision} if revision else {})
    with locked(folder):
        making = Making(folder, recipe, inputs)
        if not making.done:
            from longcot.models.nf4 import save_dequantized

            save_dequantized(source, folder, dtype, revision or "main", trust_remote_code)
            making.finish()
    return str(folder), dtype
