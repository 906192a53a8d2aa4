"""What an adapter is trained with, each default with its source."""

from typing import Literal

from pydantic import Field

from longcot.files.strict import Strict
from longcot.models.loading import Dtype


class LoraSettings(Strict):
    """What an adapter is trained with. Fixed: AdamW, cosine decay and gradient norm 1, as in s1's recipe."""

    rank: int = Field(16, ge=1)  # axolotl's QLoRA of Qwen3-32B, and Unsloth's default; torchtune's 32B LoRA: 8
    alpha: float = Field(32.0, gt=0)  # twice the rank, as axolotl and torchtune have it
    dropout: float = Field(0.0, ge=0, lt=1)  # the same three; QLoRA itself: 0.05 at 32B
    target_modules: str | list[str] = "all-linear"  # QLoRA: all linear layers are needed to match full fine-tuning
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

    LATER = frozenset({"modules_to_save", "trainable_token_indices"})

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def beside_lora(self) -> bool:
        """Whether more is trained than LoRA's matrices, which no engine serves as an adapter."""
        return bool(self.modules_to_save or self.trainable_token_indices)
