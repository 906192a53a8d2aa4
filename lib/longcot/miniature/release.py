"""What the miniature's models can do in each format, the adapters' training sets, and the card beside the weights."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from longcot.curation.training_set import write_training_set
from longcot.files.manifest import machine
from longcot.files.paths import display_path
from longcot.files.writing import write_json, write_whole
from longcot.grading.extraction import extract_answer
from longcot.miniature.corpus import TURN_END, long_prompt
from longcot.problems.miniature.world import Solved, World

Prompt = Callable[[PreTrainedTokenizerBase, str], str]


def write_solver_set(path: Path, world: World, kind: str, n: int) -> None:
    """Write n conversations of the train split as JSONL, answered at length (`long`) or with a plan (`short`)."""
    rng = random.Random(f"longcot {kind} {world.seed}")
    rows = []
    for _ in range(n):
        solved = world.draw(rng, "train")
        messages = [
            {"role": "user", "content": solved.problem.problem},
            {"role": "assistant", "content": getattr(solved, kind)},
        ]
        rows.append({"messages": messages, "problem_id": solved.problem.id})
    write_training_set(path, rows)


def in_long_format(tokenizer: PreTrainedTokenizerBase, problem: str) -> str:
    """The prompt in the format of the corpus's long documents."""
    return long_prompt(problem)


def in_chat_format(tokenizer: PreTrainedTokenizerBase, problem: str) -> str:
    """The prompt as a user's turn."""
    message = [{"role": "user", "content": problem}]
    return tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)


@torch.inference_mode()
def skill(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    solved: Sequence[Solved],
    prompt: Prompt,
    batch_size: int = 64,
    max_new_tokens: int = 512,
) -> pd.DataFrame:
    """What a model answers, greedily, to each problem put as `prompt` puts it.

    One row a problem: `subject, level, correct, tokens, text`.
    """
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TURN_END)]
    tokenizer.padding_side = "left"
    rows = []
    for start in range(0, len(solved), batch_size):
        batch = solved[start : start + batch_size]
        texts = [prompt(tokenizer, row.problem.problem) for row in batch]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False).to(model.device)
        how = {"max_new_tokens": max_new_tokens, "do_sample": False, "eos_token_id": ends, "pad_token_id": ends[0]}
        out = model.generate(**inputs, **how)[:, inputs["input_ids"].shape[1] :]
        for row, tokens in zip(batch, out, strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True)
            length = int((tokens != ends[0]).sum())
            rows.append(
                {"subject": row.problem.subject, "level": row.problem.level}
                | {"correct": extract_answer(text) == row.problem.expected_answer, "tokens": length, "text": text}
            )
    return pd.DataFrame(rows)


def model_card(world: World, recipe: dict[str, Any], figures: dict[str, Any], scores: pd.DataFrame) -> str:
    """The text of the README beside the weights: how they were made, on what machine, in what time, how they score."""
    words = world.words
    out = f"runs/pretrain/world{world.seed}"
    made_on = figures["machine"].get("gpu") or f"{figures['machine']['cores']} CPU cores"
    return f"""# Miniature models of world {world.seed}

A base language model (Qwen2 architecture, {figures["parameters"]:,} parameters, bf16) trained from nothing by
`notebooks/00_pretrain_miniature.ipynb`, and two LoRA adapters on its NF4 version: `reasoner`, trained on long
solutions, and `instruct`, trained on short ones, all written by the world's solvers. They know eight families of small
arithmetic problems (moduli {", ".join(map(str, words.moduli))}) and nothing else. They exist so that the project's
study can run on a laptop; they are no evidence about large models. Licence: that of the project.

| | |
|---|---|
| base: tokens seen | {figures["tokens"]:,} |
| base: made on | {made_on}, in {figures["seconds"]:.0f} s |
| base: final training loss | {figures["final_loss"]:.4f} |
| adapters: conversations, made on | {recipe["conversations"]:,} each, {machine()["cores"]} CPU cores |
| adapters: seconds | reasoner {recipe["reasoner_seconds"]:.0f}, instruct {recipe["instruct_seconds"]:.0f} |

Accuracy on the {scores.attrs["problems"]} problems of the test split, greedy, on the NF4 base:

{scores.to_markdown(index=False, floatfmt=".3f")}

To make them again, with other rounding on other hardware and so another base of the same recipe:
`papermill notebooks/00_pretrain_miniature.ipynb out.ipynb -p world {world.seed} -p out_dir {out}`.
"""


def publish(made: Path, weights: Path, card: str) -> None:
    """Copy base and adapters from where they were made to where the package holds them, with their card."""
    for name in ("base", "reasoner", "instruct"):
        shutil.rmtree(weights / name, ignore_errors=True)
        records = shutil.ignore_patterns("checkpoints", "loss.csv", "training.json", "figures.json")
        shutil.copytree(made / name, weights / name, ignore=records)
        config = weights / name / "adapter_config.json"
        if config.is_file():
            base = {"base_model_name_or_path": display_path(weights / "base")}
            write_json(config, json.loads(config.read_text()) | base)
    write_whole(weights / "README.md", card)
