"""What training changed in an arm's model, in three tables of its run, each with a manifest; notebook 06 shows them.

Base and adapter on the same traces, by token and by layer; and responses that the base writes while the adapter
chooses some of the tokens. What was cut goes on at the trace or the batch.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from longcot.files.manifest import Product
from longcot.files.run_directory import LAYERS, STEERED, TOKENS
from longcot.files.writing import locked, write_table, write_whole
from longcot.models.divergence import NONE, adapter_parts, token_divergence
from longcot.models.token_kinds import token_kinds, token_texts
from longcot.run.compared import Compared
from longcot.sampling.generate import grade_responses
from longcot.sampling.local import batch_seed
from longcot.sampling.requests import Request
from longcot.sampling.steered import Rule

Key = tuple[str, ...]
TEXTS = dict.fromkeys(("problem_id", "kind", "off", "rule", "batch"), str)  # columns that are no numbers


def token_table(one: Compared) -> pd.DataFrame:
    """One row a token of the traces' responses, from position 1: `token` (its id), its `kind`, and what
    `divergence.token_divergence` says of it; `flip`: the two models' likeliest tokens differ.
    """

    def rows(key: Key) -> pd.DataFrame:
        number = numbers[key]
        ids, start = one.tokens(number)
        texts = token_texts(one.sampler.tokenizer, ids[start:])
        (found,) = token_divergence(one.sampler.model, ids, start)
        table = {"problem_id": key[0], "position": range(1, len(texts) + 1), "token": ids[start:]}
        table |= {"kind": token_kinds(texts, not one.traces[number].truncated)}
        table |= {name: values.numpy() for name, values in found.items()}
        return pd.DataFrame(table).assign(flip=(found["base_choice"] != found["adapter_choice"]).int().numpy())

    numbers = {(problem.id,): number for number, problem in enumerate(one.problems)}
    return _made(one, TOKENS, {}, numbers, ["problem_id"], rows)


def layer_table(one: Compared, traces: int) -> pd.DataFrame:
    """One row a layer and trace, of the first so many: what is left when the layer's part of the adapter is `off`.

    Means over the trace's `tokens`: `divergence` from the base, `flips`, and the `loss`, the base's too, in nats. `off`
    is `NONE` for the whole adapter.
    """

    def rows(key: Key) -> pd.DataFrame:
        layers, table = [NONE, *adapter_parts(one.sampler.model)], []
        ids, start = one.tokens(numbers[key])
        for layer, found in zip(layers, token_divergence(one.sampler.model, ids, start, layers), strict=True):
            flips = (found["base_choice"] != found["adapter_choice"]).float()
            row = {"problem_id": key[0], "off": layer, "tokens": len(flips), "flips": float(flips.mean())}
            row |= {"divergence": float(found["divergence"].mean()), "loss": -float(found["adapter_logprob"].mean())}
            table.append(row | {"base_loss": -float(found["base_logprob"].mean())})
        return pd.DataFrame(table)

    numbers = {(problem.id,): number for number, problem in enumerate(one.problems[:traces])}
    return _made(one, LAYERS, {"traces": len(numbers)}, numbers, ["problem_id"], rows)


def bounds(tokens: pd.DataFrame, shares: Iterable[float]) -> pd.DataFrame:
    """For each share of the tokens where the two models part most: the `bound` in nats that they exceed.

    It is the quantile 1 - share of the divergence over all rows of `token_table`. Beside it the share that does exceed
    it, less where many tokens are alike, and what these hold of all divergence and of all flips.
    """
    rows, flips = [], max(tokens["flip"].sum(), 1)
    for share in shares:
        bound = float(tokens["divergence"].quantile(1 - share))
        above = tokens[tokens["divergence"] > bound]
        row = {"share": share, "bound": bound, "above": len(above) / len(tokens)}
        row |= {"of_divergence": above["divergence"].sum() / max(tokens["divergence"].sum(), 1e-30)}
        rows.append(row | {"of_flips": above["flip"].sum() / flips})
    return pd.DataFrame(rows, columns=["share", "bound", "above", "of_divergence", "of_flips"])


def steered_table(one: Compared, tokens: pd.DataFrame) -> pd.DataFrame:
    """One row a response: a graded trace, its `rule`, and how many of its tokens the adapter has `chosen`; `changed` of
    them the base would have drawn otherwise.

    The rules, each on all problems: the base alone, the adapter alone, for each share the adapter where the divergence
    exceeds its bound of `bounds`, and at each token by chance, with the probability that gives as many: the share that
    the rule of the same share came to. The draws at a place of a response are the same for all rules.
    """
    rules = {"base": Rule(by="base", share=0), "adapter": Rule(by="adapter", share=1)}
    for by in ("divergence", "chance"):
        for row in bounds(tokens, one.shares).itertuples():
            rules[f"{by} {100 * row.share:g}%"] = Rule(by=by, share=row.share, bound=row.bound)

    def rows(key: Key) -> pd.DataFrame:
        rule, number = rules[key[0]], int(key[1])
        if rule.by == "chance":
            made = _read(one.folder / STEERED)
            same = made[(made["by"] == "divergence") & (made["share"] == rule.share)]
            rule = rule.model_copy(update={"bound": same["chosen"].sum() / max(same["completion_tokens"].sum(), 1)})
        batch = one.problems[number * size : (number + 1) * size]
        asked = [Request(problem, 0, "", "", one.messages(problem)) for problem in batch]
        seed = batch_seed(one.task.sampling.seed, "", one.arm, number)
        found = one.sampler.steered([each.messages for each in asked], rule, one.task.sampling, seed)
        pairs = [(request, each.completion) for request, each in zip(asked, found, strict=True)]
        graded = grade_responses(pairs, one.task.prompt_style, {"model": one.task.base.recipe()["path"]})
        table = pd.DataFrame([trace.model_dump(mode="json") for trace in graded])
        counts = {name: [getattr(each, name) for each in found] for name in ("chosen", "changed")}
        return table.assign(rule=key[0], batch=key[1], **rule.model_dump(), **counts)

    size = one.task.sampling.batch_size
    count = -(-len(one.problems) // size)
    keys = [(rule, str(number)) for rule in rules for number in range(count)]
    if not one.shares:
        return pd.DataFrame()
    return _made(one, STEERED, {"shares": one.shares}, keys, ["rule", "batch"], rows)


def _made(
    one: Compared,
    file: str,
    recipe: dict[str, Any],
    keys: Iterable[Key],
    columns: list[str],
    rows: Callable[[Key], pd.DataFrame],
) -> pd.DataFrame:
    """The table in a file of the arm's folder, made piece by piece: `rows` gives those of a key, which stands in the
    `columns`. It is written whole after each, so that no piece is made twice.
    """
    path, task = one.folder / file, one.task
    recipe = {"table": file} | task.recipe(task.dtype, one.problems, one.threads) | recipe
    inputs = [one.adapter, one.source, *([one.folder / TOKENS] if file == STEERED else [])]
    with locked(one.folder):
        making = Product(path, recipe, inputs)
        if not making.done:
            there = dict(iter(_read(path).groupby(columns, sort=False))) if path.exists() else {}
            for key in tqdm([key for key in keys if key not in there], desc=f"{one.arm}/{path.stem}"):
                there[key] = rows(key)
                _write(path, pd.concat(there.values(), ignore_index=True))
            making.finish(rows=sum(map(len, there.values())))
    return _read(path)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False, precise_float=True)
    return pd.read_csv(path, keep_default_na=False, dtype=TEXTS)


def _write(path: Path, table: pd.DataFrame) -> None:
    if path.suffix == ".jsonl":
        write_whole(path, table.to_json(orient="records", lines=True, double_precision=15))
    else:
        write_table(path, table)
