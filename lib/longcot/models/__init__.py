"""Models, tokenizers and adapters: loading, chat template, NF4, merging."""
