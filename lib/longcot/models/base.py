"""Which model: where it is, and the precision of its weights."""

from typing import Any, Literal

from longcot.files.paths import model_name
from longcot.files.strict import Strict

Dtype = Literal["float32", "bfloat16", "float16"]


class Base(Strict):
    """A model without its adapters. Its precision holds in sampling and in training."""

    path: str  # a directory, relative to the project, or a Hub id
    revision: str = ""  # of a Hub id: branch, tag or commit
    precision: Literal["nf4", "float32", "bfloat16", "float16"] = "nf4"  # nf4: QLoRA's, with double quantization
    trust_remote_code: bool = False  # run the code that comes with it; a study that asks for it is warned of it

    LATER = frozenset({"trust_remote_code"})

    def recipe(self) -> dict[str, Any]:
        """As for every strict model, the path as it may stand in a file."""
        return super().recipe() | {"path": model_name(self.path)}

    @property
    def at(self) -> dict[str, Any]:
        """`revision` and `trust_remote_code`, as the loaders of `models.loading` take them."""
        return {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
