"""What is trained beside LoRA's matrices: whole modules, and the embeddings of tokens that the base never saw."""

from typing import TYPE_CHECKING, Any

from longcot.files.errors import BadInput
from longcot.qlora.settings import LoraSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def beside_lora(
    model: "PreTrainedModel", lora: LoraSettings, tokenizer: "PreTrainedTokenizerBase | None" = None
) -> dict[str, Any]:
    """PEFT's `modules_to_save` and `trainable_token_indices` for a base, as a `LoraConfig` takes them.

    Of a base whose output head has weights of its own the tokens' rows are trained there too: one that it is to write
    must be known to the head. Without a tokenizer the tokens are left out. Raises BadInput for a module or a token
    that the base has not.
    """
    given: dict[str, Any] = {}
    if lora.modules_to_save:
        names = [name for name, _ in model.named_modules()]
        for wanted in lora.modules_to_save:
            if not any(name == wanted or name.endswith(f".{wanted}") for name in names):
                raise BadInput(f"lora.modules_to_save: the base has no module {wanted!r}; name one, as lm_head")
        given["modules_to_save"] = lora.modules_to_save
    if lora.trainable_token_indices and tokenizer is not None:
        ids = sorted({token_id(tokenizer, token) for token in lora.trainable_token_indices})
        embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
        layers = [embeddings] if head is None or head.weight is embeddings.weight else [embeddings, head]
        named = {name for name, module in model.named_modules() if any(module is layer for layer in layers)}
        given["trainable_token_indices"] = {name.rsplit(".", 1)[-1]: ids for name in sorted(named)}
    return given


def token_id(tokenizer: "PreTrainedTokenizerBase", token: int | str) -> int:
    """The number of a token that is given by its text or its number. Raises BadInput where there is none."""
    found = tokenizer.get_vocab().get(token) if isinstance(token, str) else token
    if found is None or not 0 <= found < len(tokenizer):
        raise BadInput(
            f"lora.trainable_token_indices: {token!r} is none of the model's {len(tokenizer)} tokens; give its text"
        )
    return found
