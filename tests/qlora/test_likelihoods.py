"""How likely a base finds traces: against the plain way of transformers, kept beside the traces, and chosen by."""

import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.pool import Pool, read_pool
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT
from longcot.files.run_directory import likelihoods_of
from longcot.models.base import Base
from longcot.problems.prompts import Prompt
from longcot.qlora.likelihoods import LikelihoodTask, with_likelihoods
from longcot.qlora.tokens import IGNORED, tokenize
from longcot.traces.trace import Trace, write_traces

MINIATURE = ROOT / "lib/longcot/miniature/weights/world1/base"
FILE = "traces/reasoner/training.jsonl"
TEXTS = ("Step 1: 3 + 4 = 7.\nThe answer is \\boxed{7}.", "\\boxed{8}", "I think that it is 9, or 9. Yes. \\boxed{9}")


def pool_of(folder: Path, texts=TEXTS) -> Pool:
    traces = [
        Trace(problem_id=f"p{n}", problem=f"What is {n} + 4?", expected_answer="7", text=text, sample=0, model="m")
        for n, text in enumerate(texts)
    ]
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    write_traces(folder / FILE, traces)
    return read_pool(folder, [FILE], [])


def plainly(model_path, prompt: Prompt, trace: Trace) -> tuple[float, float]:
    """Mean log-probability and rank-surprisal ratio, each token looked up by itself in all logits at once."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(model_path), AutoTokenizer.from_pretrained(model_path)
    asked = {"role": "user", "content": prompt.template.replace("{problem}", trace.problem)}
    ids, labels = tokenize([asked, {"role": "assistant", "content": trace.text}], tokenizer)
    logprobs = model.float()(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    places = [place for place, label in enumerate(labels) if label != IGNORED]
    own = [logprobs[place - 1, ids[place]].item() for place in places]
    orders = [sorted(logprobs[place - 1].tolist(), reverse=True) for place in places]
    ranks = [order.index(value) + 1 for order, value in zip(orders, own, strict=True)]
    return sum(own) / len(own), sum(min(rank, 100) for rank in ranks) / -sum(own)


def same_as_plainly(model_path, prompt: Prompt, folder: Path, precision: str = "float32") -> None:
    task = LikelihoodTask(base=Base(path=str(model_path), precision=precision), prompt=prompt)
    pool = with_likelihoods(pool_of(folder), task, folder)
    for trace in pool.traces[FILE]:
        found = pool.likelihood(trace)
        assert (found.logprob, found.rsr) == pytest.approx(plainly(model_path, prompt, trace), rel=1e-3)


def test_it_is_what_transformers_says_token_by_token(tmp_path):
    same_as_plainly(MINIATURE, Prompt(template="{problem}"), tmp_path)


@pytest.mark.skipif("LONGCOT_REAL_MODELS" not in os.environ, reason="no LONGCOT_REAL_MODELS, a folder of real models")
def test_a_real_model_through_its_own_template(tmp_path):
    (model,) = Path(os.environ["LONGCOT_REAL_MODELS"]).glob("SmolLM2-135M*")
    same_as_plainly(model, Prompt(template="{problem}"), tmp_path)


def test_traces_are_read_once_and_again_when_they_change(tmp_path):
    task = LikelihoodTask(base=Base(path=str(MINIATURE), precision="float32"), prompt=Prompt(template="{problem}"))
    table = tmp_path / likelihoods_of(FILE)
    first = with_likelihoods(pool_of(tmp_path), task, tmp_path)
    written = table.read_bytes()
    begun = table.with_name(f"{table.name}.begun.json")
    table.with_name(f"{table.name}.manifest.json").rename(begun)  # as a kill after the first trace leaves it
    table.write_bytes(b"".join(written.splitlines(keepends=True)[:2]))
    assert with_likelihoods(pool_of(tmp_path), task, tmp_path).likelihoods == first.likelihoods
    assert table.read_bytes() == written
    more = with_likelihoods(pool_of(tmp_path, [*TEXTS, "a \\boxed{1}"]), task, tmp_path)
    assert len(pd.read_csv(table)) == 4 and len(more.likelihoods) == 4


def test_the_lowest_ratio_is_chosen_and_what_does_not_fit_is_chosen_last(tmp_path):
    task = LikelihoodTask(base=Base(path=str(MINIATURE), precision="float32"), prompt=Prompt(template="{problem}"))
    pool = with_likelihoods(pool_of(tmp_path, [*TEXTS, "7 + 7. " * 600]), task, tmp_path)
    traces = pool.traces[FILE]
    ratios = {trace.problem_id: pool.likelihood(trace).rsr for trace in traces}
    assert ratios["p3"] != ratios["p3"], "longer than the model's context"
    order = sorted(["p0", "p1", "p2"], key=ratios.get)
    for n in (1, 2, 3):
        chosen = pick_traces(traces, Choice(n=n, strategy="rsr"), pool, "arm")
        assert [trace.problem_id for trace in chosen] == order[:n]
    likeliest = pick_traces(traces, Choice(n=1, strategy="likeliest"), pool, "arm")[0]
    assert pool.likelihood(likeliest).logprob == max(pool.likelihood(one).logprob for one in traces[:3])
    with pytest.raises(BadInput, match="arm: problem p.: how likely the base finds its trace is not known"):
        pick_traces(traces, Choice(n=1, strategy="rsr"), read_pool(tmp_path, [FILE], []), "arm")
