"""A base and an adapter as one model.

An engine that serves no adapters can load it. Merging changes the base: the adapter was fitted to the 4-bit base, and
the sum of that base, dequantized, and the adapter is rounded to 16 bits, by more than many of the adapter's changes.
So nothing in a study is measured on a merged model.
"""

from pathlib import Path

import torch
from peft import PeftModel

from longcot.files.errors import BadInput
from longcot.files.paths import display_path, model_name
from longcot.files.writing import check_new, whole_folder
from longcot.models.adapter import check_base
from longcot.models.chat import turn_generation_config
from longcot.models.loading import Dtype, config_stops
from longcot.models.nf4 import dequantized, load_tokenizer

WEIGHTS = "adapter_model.safetensors"


def merge_adapter(
    base: str | Path, adapter: str | Path, out_dir: str | Path, dtype: Dtype = "bfloat16", revision: str = "main"
) -> Path:
    """Write the NF4 base, dequantized, with the adapter added to its weights, as a model in `dtype`; whole or not.

    `base` is a directory or a Hub id at a revision. The sum is made in 32 bits and rounded once. Raises BadInput where
    no model or adapter is, where `out_dir` is there and holds something, and for an adapter that was trained on another
    base.
    """
    adapter, out_dir = Path(adapter), Path(out_dir)
    check_new(out_dir)
    check_base(adapter, base)
    if not (adapter / WEIGHTS).is_file():
        raise BadInput(
            f"{display_path(adapter)}: no {WEIGHTS} in it; give an adapter with its weights, as a study trains it"
        )
    tokenizer = load_tokenizer(base, revision)
    plain = dequantized(base, "float32", revision)
    try:
        model = PeftModel.from_pretrained(plain, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{display_path(adapter)}: does not fit {model_name(base)} ({reason}); give its own base"
        ) from None
    model = model.to(getattr(torch, dtype))
    if (head := model.get_output_embeddings()) is not None and model.config.tie_word_embeddings:
        # One of the two may have been trained alone, and a model that says they are one would be read without it.
        model.config.tie_word_embeddings = torch.equal(head.weight, model.get_input_embeddings().weight)
    model.generation_config = turn_generation_config(tokenizer, config_stops(model.generation_config))
    with whole_folder(out_dir) as draft:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    return out_dir
