"""`python -m longcot.qlora.merging BASE ADAPTER OUT [--dtype bfloat16] [--revision main]`: both as one model.

An engine that serves no adapters can load it. Merging changes the base: the adapter was fitted to the 4-bit base, and
the sum of that base, dequantized, and the adapter is rounded to 16 bits, by more than many of the adapter's changes.
So nothing in a study is measured on a merged model.
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

import torch
from peft import PeftModel

from longcot.files.errors import BadInput, command
from longcot.files.paths import model_name, model_source, resolve, shown
from longcot.files.writing import whole_folder
from longcot.models.adapter import check_base
from longcot.models.chat import turn_generation_config
from longcot.models.loading import Dtype
from longcot.models.nf4 import dequantized, load_tokenizer


def merge_adapter(
    base: str | Path, adapter: str | Path, out_dir: str | Path, dtype: Dtype = "bfloat16", revision: str = "main"
) -> Path:
    """Write the NF4 base, dequantized, with the adapter added to its weights, as a model in `dtype`; whole or not.

    `base` is a directory or a Hub id at a revision. The sum is made in 32 bits and rounded once. Raises BadInput where
    no model or adapter is, and for an adapter that was trained on another base.
    """
    adapter, out_dir = Path(adapter), Path(out_dir)
    check_base(adapter, base)
    tokenizer = load_tokenizer(base, revision)
    plain = dequantized(base, "float32", revision)
    try:
        model = PeftModel.from_pretrained(plain, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{shown(adapter)}: does not fit {model_name(base)} ({reason}); give its own base") from None
    model = model.to(getattr(torch, dtype))
    model.generation_config = turn_generation_config(tokenizer)
    with whole_folder(out_dir) as draft:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    return out_dir


@command
def main() -> None:
    """The command line. Exit status 0, or 1 after a one-line error."""
    parser = argparse.ArgumentParser(prog="longcot.qlora.merging", description=__doc__)
    parser.add_argument("base")
    parser.add_argument("adapter")
    parser.add_argument("out")
    parser.add_argument("--dtype", choices=get_args(Dtype), default="bfloat16")
    parser.add_argument("--revision", default="main")
    given = parser.parse_args()
    base, adapter, out = model_source(given.base), resolve(given.adapter), resolve(given.out)
    print(shown(merge_adapter(base, adapter, out, given.dtype, given.revision)))


if __name__ == "__main__":
    sys.exit(main())
