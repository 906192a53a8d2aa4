"""QLoRA: the 4-bit base, tokens and loss mask, training in little memory, and what an adapter belongs to."""
