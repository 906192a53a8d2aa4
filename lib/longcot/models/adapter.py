"""The directory of a PEFT adapter, and the base that it belongs to."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, model_name, resolve
from longcot.models.loading import check_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def adapter_config(folder: str | Path) -> dict[str, Any]:
    """What the adapter's own file says. Raises BadInput where the directory holds no PEFT adapter, or its weights as
    pickles."""
    path = Path(folder) / "adapter_config.json"
    if not path.is_file():
        raise BadInput(f"{display_path(folder)}: no adapter_config.json in it; give the directory of a PEFT adapter")
    check_weights(folder)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{display_path(path)}: not JSON ({error}); copy the adapter again") from None
    if not isinstance(config, dict):
        raise BadInput(f"{display_path(path)}: not a JSON object; copy the adapter again")
    return config


def beside(base: "PreTrainedModel", folder: str | Path) -> "PeftModel":
    """The base with the adapter in `folder` beside its weights. Raises BadInput where there is none, or another's."""
    from peft import PeftModel
    from safetensors import SafetensorError

    adapter_config(folder)
    try:
        return PeftModel.from_pretrained(base, str(folder)).eval()
    except (RuntimeError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{display_path(folder)}: this adapter does not fit the base ({reason}); use its own base"
        ) from None


def without_adapter(model: "PeftModel") -> "PreTrainedModel":
    """The base of a model with an adapter, as it was: PEFT's `unload` leaves modules that were trained whole in it."""
    from peft.utils import ModulesToSaveWrapper

    own = model.get_base_model().named_modules()
    trained_whole = {name: module.original_module for name, module in own if isinstance(module, ModulesToSaveWrapper)}
    base = model.unload()
    for name, module in trained_whole.items():
        base.set_submodule(name, module)
    return base


def adapter_rank(folder: str | Path) -> int:
    """The rank of a PEFT adapter; 0 where none is there yet. Raises BadInput where its file is damaged."""
    return adapter_config(folder).get("r", 0) if (Path(folder) / "adapter_config.json").is_file() else 0


def check_base(folder: str | Path, base: str | Path) -> None:
    """See that the adapter in `folder` was trained on `base`, a directory or a Hub id.

    Weights of one shape take each other's adapters without a word, so the names must agree: of two directories that
    are here the whole path, else the last part, since a Hub model may lie in a directory here or on another machine.
    An adapter that names no base passes. Raises BadInput where they do not, and where there is no adapter.
    """
    own = adapter_config(folder).get("base_model_name_or_path") or ""
    if not own or model_name(own) == model_name(base):
        return
    both_here = resolve(own).is_dir() and resolve(base).is_dir()
    if both_here or Path(own).name.lower() != Path(base).name.lower():
        raise BadInput(
            f"{display_path(folder)}: trained on {model_name(own)}, not on {model_name(base)}; give its own "
            "base, or name "
            "this one in its adapter_config.json if it is a copy"
        )
