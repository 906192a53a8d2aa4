"""What is sampled for a model at a precision."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

from longcot.files.manifest import Product
from longcot.files.paths import model_name, model_source
from longcot.files.run_directory import sampled_model
from longcot.files.writing import locked
from longcot.models.base import Base, Dtype


def sampled_folder(base: Base, run_dir: Path) -> Path:
    """The directory of a model as its NF4 version computes it, whether it was made yet or not."""
    return run_dir / sampled_model(model_name(base.path) + (f"@{base.revision}" if base.revision else ""))


def _save(*given: Any) -> None:
    from longcot.models.nf4 import save_dequantized  # seconds, which a base that is there does not need

    save_dequantized(*given)


def sampled_base(base: Base, dtype: Dtype, run_dir: Path, apart: bool = False) -> tuple[str, str]:
    """(directory or Hub id, dtype) of what is sampled for a model at its precision.

    One base, one precision: for `nf4` it is the base as its 4-bit version computes it, made once in the run directory
    in `dtype` (the compute type of training), `apart` in a process of its own, which leaves nothing on a GPU. Other
    precisions are the dtype itself.
    """
    if base.precision != "nf4":
        return model_source(base.path), base.precision
    source, folder = model_source(base.path), sampled_folder(base, run_dir)
    inputs = [source] if Path(source).is_dir() else []
    recipe = {"model": model_name(base.path), "precision": base.precision, "dtype": dtype}
    recipe |= {"revision": base.revision} if base.revision else {}
    with locked(folder):
        making = Product(folder, recipe, inputs)
        if not making.done:
            given = (source, folder, dtype, base.revision or "main", base.trust_remote_code)
            if apart:
                with get_context("spawn").Pool(1) as process:
                    process.apply(_save, given)
            else:
                _save(*given)
            making.finish()
    return str(folder), dtype
