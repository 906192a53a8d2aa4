"""Configurations of real models, as their config.json on the Hub has them; nothing is loaded."""

from transformers import Qwen2Config

from longcot.qlora.keeping import Shape

QWEN_32B = Qwen2Config(
    num_hidden_layers=64,
    hidden_size=5120,
    num_attention_heads=40,
    num_key_value_heads=8,
    intermediate_size=27648,
    vocab_size=152064,
    max_position_embeddings=131072,
    tie_word_embeddings=False,
)

SHAPE = Shape.of(QWEN_32B, rank=16, size=2)
