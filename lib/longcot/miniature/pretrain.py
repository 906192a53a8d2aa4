"""Pretraining of the miniature's base model from nothing."""

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from longcot.files.manifest import machine
from longcot.files.writing import write_json
from longcot.miniature.corpus import PackedRows, train_tokenizer
from longcot.problems.miniature.world import World

CONTEXT = 1024


def new_base(vocab_size: int, eos_token_id: int, width: int = 256, layers: int = 3) -> Qwen2ForCausalLM:
    """An untrained base model of the Qwen2 architecture, about 2.4 million parameters at the default size."""
    config = Qwen2Config(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=11 * width // 4,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 128,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=eos_token_id,
        bos_token_id=None,
        pad_token_id=eos_token_id,
        use_cache=True,
    )
    return Qwen2ForCausalLM(config)


class InOrder(Trainer):
    """A Trainer that takes the rows in their order, made by spawned workers: row i is random already, from seed i."""

    def get_train_dataloader(self) -> DataLoader:
        """The rows of the dataset in batches."""
        workers = self.args.dataloader_num_workers
        return DataLoader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate_fn=self.data_collator,
            num_workers=workers,
            prefetch_factor=8 if workers else None,
            multiprocessing_context="spawn" if workers else None,
            pin_memory=self.args.dataloader_pin_memory,
        )


def pretrain(
    world_seed: int,
    out_dir: Path,
    steps: int,
    rows_per_step: int = 64,
    learning_rate: float = 2.0e-3,
    width: int = 256,
    layers: int = 3,
    workers: int = 2,
    save_steps: int = 1000,
) -> dict[str, Any]:
    """Train a base model on `steps` x `rows_per_step` rows of 1,024 tokens and save it in bf16 under `out_dir`.

    Uses a GPU where there is one. A killed run goes on from its last checkpoint in `out_dir`/checkpoints. Returns what
    `figures.json` holds: `tokens, parameters, seconds` (of this call), `final_loss, losses, machine`.
    """
    torch.manual_seed(world_seed)
    world, cuda = World(world_seed), torch.cuda.is_available()
    tokenizer = train_tokenizer(world)
    model = new_base(len(tokenizer), tokenizer.eos_token_id, width, layers)
    checkpoints = out_dir / "checkpoints"
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=rows_per_step,
        learning_rate=learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(500, steps // 10),
        weight_decay=0.1,
        adam_beta2=0.95,
        max_grad_norm=1.0,
        optim="adamw_torch_fused" if cuda else "adamw_torch",
        bf16=cuda,
        torch_compile=cuda,
        dataloader_num_workers=workers,
        dataloader_pin_memory=cuda,
        logging_steps=max(1, steps // 100),
        save_steps=save_steps,
        save_total_limit=1,
        report_to=[],
        seed=world_seed,
    )
    dataset = PackedRows(world, tokenizer, steps * rows_per_step, CONTEXT)
    trainer = InOrder(model=model, args=arguments, train_dataset=dataset)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    result = trainer.train(resume_from_checkpoint=last)
    save_base(model, tokenizer, out_dir)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    figures = {
        "tokens": steps * rows_per_step * CONTEXT,
        "parameters": model.num_parameters(),
        "seconds": result.metrics["train_runtime"],
        "final_loss": losses[-1],
        "losses": losses,
        "machine": machine(),
    }
    write_json(out_dir / "figures.json", figures)
    return figures


def save_base(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, out_dir: Path) -> None:
    """Save a base model in bf16, with `<|endoftext|>` as its end, as a Qwen2.5 base has it."""
    end, pad = model.config.eos_token_id, model.config.pad_token_id
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad)
    model.to(torch.bfloat16).save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
