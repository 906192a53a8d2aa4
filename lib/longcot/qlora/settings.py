"""What an adapter is trained with, each default with its source."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from longcot.files.strict import Strict
from longcot.models.loading import Dtype
from longcot.traces.behaviours import BEHAVIOURS

MARKS = (*BEHAVIOURS, "answer")  # what of a response may be learnt alone, or left out


class Share(Strict):
    """A share of a base's layers, in whole ones, one at least: the first or the last of them."""

    first: float | None = Field(None, gt=0, le=1)  # share, from the input on
    last: float | None = Field(None, gt=0, le=1)  # share, up to the output

    @model_validator(mode="after")
    def _one(self) -> "Share":
        if (self.first is None) == (self.last is None):
            raise ValueError("give first or last, as {first: 0.5}, and not both")
        return self


Layers = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | Share | None


def _known(mark: str) -> str:
    if mark not in MARKS:
        raise ValueError(f"{mark!r} marks nothing; use one of {', '.join(MARKS)}")
    return mark


class Loss(Strict):
    """Which tokens of each response are learnt, in place of all: one of these. The turn's end is a response's last."""

    first: int | None = Field(None, ge=1)  # so many from its beginning
    after: int | None = Field(None, ge=1)  # all but so many from its beginning
    only: Annotated[str, AfterValidator(_known)] | None = None  # what a behaviour's rules match, or the answer
    but: Annotated[str, AfterValidator(_known)] | None = None  # all but that

    @model_validator(mode="after")
    def _one(self) -> "Loss":
        if len(self.said) != 1:
            raise ValueError("loss: give one of first, after, only and but, as {first: 8}")
        return self

    @property
    def said(self) -> dict[str, int | str]:
        """What is given of it."""
        return self.model_dump(exclude_none=True)

    def __str__(self) -> str:
        return "".join(f"loss.{name} {value}" for name, value in self.said.items())


GROUPS = ("all-linear", "attention", "mlp")  # target modules that a study names together


class LoraSettings(Strict):
    """What an adapter is trained with. Fixed: AdamW, cosine decay and gradient norm 1, as in s1's recipe."""

    rank: int = Field(16, ge=1)  # axolotl's QLoRA of Qwen3-32B, and Unsloth's default; torchtune's 32B LoRA: 8
    alpha: float = Field(32.0, gt=0)  # twice the rank, as axolotl and torchtune have it
    dropout: float = Field(0.0, ge=0, lt=1)  # the same three; QLoRA itself: 0.05 at 32B
    # "all-linear", "attention", "mlp", a pattern of whole names, or names, each a whole one or its end.
    target_modules: str | list[str] = "all-linear"  # QLoRA: all linear layers are needed to match full fine-tuning
    layers: Layers = None  # which of the base's: numbers from 0, or a share as {first: 0.5}; none: all
    learning_rate: float = Field(2e-4, gt=0)  # axolotl's at 32B; torchtune's 3e-4; s1, in full, 1e-5
    epochs: int = Field(15, ge=1)  # our trials on 20 traces; s1 takes 5 on 1,000
    batch_size: int = Field(4, ge=1)  # traces a step
    warmup_ratio: float = Field(0.05, ge=0, lt=1)  # s1; axolotl at 32B: 0.1
    weight_decay: float = Field(0.0, ge=0)  # axolotl's at 32B, and QLoRA's; s1: 1e-4, torchtune: 0.01
    max_length: int = Field(32768, ge=2)  # tokens of prompt and trace
    too_long: Literal["refuse", "drop"] = "refuse"  # a longer one ends the run, or is left out by name; never cut
    seed: int = 0  # of the adapter's first weights and of the order of traces
    compute_dtype: Dtype = "bfloat16"  # of the products with the dequantized weights
    modules_to_save: list[str] = []  # trained whole beside the adapter, as [lm_head]; large
    trainable_token_indices: list[
        int | str
    ] = []  # tokens, by text or number, whose embeddings are trained: unseen ones

    LATER = frozenset({"modules_to_save", "trainable_token_indices", "layers"})

    @model_validator(mode="after")
    def _pattern_names_layers(self) -> "LoraSettings":
        if self.layers is not None and isinstance(self.target_modules, str) and self.target_modules not in GROUPS:
            raise ValueError(f"layers with the pattern {self.target_modules!r}; let the pattern name the layers")
        return self

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def beside_lora(self) -> bool:
        """Whether more is trained than LoRA's matrices, which no engine serves as an adapter."""
        return bool(self.modules_to_save or self.trainable_token_indices)
