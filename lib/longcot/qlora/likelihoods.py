"""Measuring how likely a base finds the traces that a study chooses from, each as it would be learnt."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from longcot.curation.pool import Pool
from longcot.curation.training_set import training_rows
from longcot.files.manifest import Product
from longcot.files.run_directory import likelihoods_of
from longcot.files.strict import Strict
from longcot.files.writing import write_table
from longcot.models.base import Base, Dtype
from longcot.models.sampled_base import sampled_base
from longcot.problems.problem import Problem
from longcot.problems.prompts import Prompt
from longcot.qlora.tokens import IGNORED, tokenize
from longcot.traces.likelihood import COLUMNS, TEXTS, Likelihood, digest, read_likelihoods
from longcot.traces.trace import Trace

AT_ONCE = 200  # traces measured before the table is written, so that no more is lost


class LikelihoodTask(Strict):
    """The base that reads the traces, and how they are put to it; `dtype` is that of an nf4 base's computation."""

    base: Base
    dtype: Dtype = "float32"
    prompt: Prompt = Prompt()


def with_likelihoods(pool: Pool, task: LikelihoodTask, run_dir: Path) -> Pool:
    """The pool with the likelihood of each of its traces, which is written beside its file, where it is not there yet.

    Each is put to the base as a training set would. What was cut goes on. Raises BadInput for a model that cannot be
    read, and for a conversation that its chat template cannot put.
    """
    import pandas as pd

    sampler = None
    for file, traces in pool.traces.items():
        path = run_dir / likelihoods_of(file)
        making = Product(path, task.recipe(), [run_dir / file])
        if making.done:
            continue
        sampler = sampler or _reader(task, run_dir)
        there = pd.read_csv(path, dtype=TEXTS).to_dict("records") if path.exists() else []
        seen = {row["digest"] for row in there}
        left = [trace for trace in traces if digest(trace.problem_id, trace.text) not in seen]
        for number, trace in enumerate(tqdm(left, desc=f"likelihood of {file}", unit="trace"), 1):
            there.append(_row(trace, _measured(sampler, task.prompt, trace, pool.problems)))
            if number % AT_ONCE == 0 or number == len(left):
                write_table(path, pd.DataFrame(there, columns=COLUMNS))
        if not there:
            write_table(path, pd.DataFrame(columns=COLUMNS))
        making.finish(traces=len(there))
    return replace(pool, likelihoods=read_likelihoods(run_dir))


def _reader(task: LikelihoodTask, run_dir: Path) -> Any:
    from longcot.sampling.local import LocalSampler

    base, dtype = sampled_base(task.base, task.dtype, run_dir)
    sampler = LocalSampler(base, dtype, **(task.base.at | ({"revision": ""} if Path(base).is_dir() else {})))
    sampler.use_template(task.prompt.chat_template)
    return sampler


def _row(trace: Trace, found: Likelihood) -> dict[str, Any]:
    own = {"problem_id": trace.problem_id, "sample": trace.sample, "stage": trace.stage}
    return own | {"digest": digest(trace.problem_id, trace.text)} | found._asdict()


def _measured(sampler: Any, prompt: Prompt, trace: Trace, problems: Mapping[str, Problem]) -> Likelihood:
    from longcot.models.likelihood import rank_surprisal_ratio, token_likelihoods

    (row,) = training_rows([trace], dict(problems), {}, **prompt.wording, empty_thoughts=prompt.empty_thoughts)
    ids, labels = tokenize(row["messages"], sampler.tokenizer)
    start = next((place for place, label in enumerate(labels) if label != IGNORED), len(ids))
    if start == len(ids) or len(ids) > sampler.context:
        return Likelihood(len(ids) - start, float("nan"), float("nan"))
    logprobs, ranks = token_likelihoods(sampler.base, ids, max(start, 1))
    return Likelihood(len(logprobs), float(logprobs.mean()), rank_surprisal_ratio(logprobs, ranks))
