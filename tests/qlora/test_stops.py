"""The turn's end and the model's own stops, in all that is made of a base."""

import json
import shutil

from transformers import AutoTokenizer, GenerationConfig

from longcot.models.merging import merge_adapter
from longcot.models.nf4 import load_base_4bit, save_dequantized
from longcot.qlora.settings import LoraSettings
from longcot.qlora.training import train_adapter


def test_they_are_saved_with_the_nf4_base_the_adapter_and_the_merged_model(tiny_model, tmp_path):
    base = shutil.copytree(tiny_model, tmp_path / "base")  # its EOS is token 0, its turns end in token 1
    turns = "{% for m in messages %}{{ m.role + ': ' + m.content + '<|im_start|>' }}{% endfor %}"
    (base / "chat_template.jinja").write_text(turns + "{% if add_generation_prompt %}assistant: {% endif %}")
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [9, 0, 11], "top_k": 1}))
    rows = [{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}]
    (tmp_path / "set.jsonl").write_text(json.dumps(rows[0]) + "\n")
    settings = LoraSettings(epochs=1, batch_size=1, compute_dtype="float32")
    model, tokenizer = load_base_4bit(base, "float32"), AutoTokenizer.from_pretrained(base)
    for name in ("first", "second"):  # one base serves many adapters
        train_adapter(model, tokenizer, tmp_path / "set.jsonl", tmp_path / name, settings)
    nf4 = save_dequantized(base, tmp_path / "nf4")
    merged = merge_adapter(base, tmp_path / "second", tmp_path / "merged", "float32")
    for folder in (tmp_path / "first", tmp_path / "second", nf4, merged):
        config = GenerationConfig.from_pretrained(folder)
        assert (config.eos_token_id, config.top_k) == ([0, 1, 9, 11], GenerationConfig().top_k), folder.name
