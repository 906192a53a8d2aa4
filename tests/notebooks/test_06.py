"""Notebook 06 at its smallest: a run whose one trained arm has the miniature's own reasoner for an adapter."""

import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from longcot.__main__ import main
from longcot.files.errors import BadInput
from longcot.files.manifest import Product, manifest_path, read_manifest
from longcot.files.paths import ROOT, resolve
from longcot.files.run_directory import adapter, benchmark_traces, executed, located
from longcot.files.writing import write_json
from longcot.run import locate
from longcot.run.compared import compared
from longcot.run.notebook import run_notebook
from longcot.traces.trace import Trace, write_traces

WEIGHTS = "lib/longcot/miniature/weights/world1"
SAID = """First I write down every step.
round 1: 5+1=6, *2=12, +51=63.
Let me verify. 63. Yes.
The answer is \\boxed{63}."""
SMALL = {"problems": 2, "layer_traces": 1, "shares": [0.1], "max_tokens": 6, "threads": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    base = {"path": f"{WEIGHTS}/base", "precision": "nf4"}
    study = {
        "name": "small",
        "title": "Small",
        "problems": {"train": {"source": "miniature:train"}, "benchmark": {"source": "miniature:test"}},
        "models": {"base": base, "reasoner": base | {"adapter": f"{WEIGHTS}/reasoner"}},
        "prompt": {"template": "{problem}"},
        "sampling": {"max_tokens": 60, "batch_size": 2},
        "training_traces": [{"model": "reasoner"}],
        "lora": {"compute_dtype": "float32"},
        "main_arm": "base",
        "arms": [
            {"name": "base", "model": "base"},
            {"name": "tuned", "model": "base", "data": {"teacher": "reasoner", "n": 2}, "evaluate_at": [3]},
        ],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    whole = folder / adapter("tuned")
    making = Product(whole, {})
    shutil.copytree(resolve(f"{WEIGHTS}/reasoner"), whole)
    making.finish()
    about = {"problem": "A number grows by 2 times its digits' sum. It starts as 51. What is it then?", "model": "base"}
    for arm, text in (("tuned", SAID), ("base", "\\boxed{5}")):
        rows = [
            Trace(problem_id=name, sample=0, expected_answer="63", text=text, finish_reason=ended, **about)
            for name, ended in (("a", "stop"), ("b", "length"), ("c", "stop"))
        ]
        (folder / benchmark_traces(arm)).parent.mkdir(parents=True)
        write_traces(folder / benchmark_traces(arm), rows)
    return folder


def test_the_notebook(run, monkeypatch):
    notebook, out = ROOT / "notebooks/06_locate_effect.ipynb", run / executed("06_locate_effect-tuned")
    run_notebook(notebook, out, SMALL | {"run_dir": str(run), "arm": "tuned"})
    folder = run / located("tuned")
    tokens = pd.read_csv(folder / "tokens.csv")
    assert set(tokens.problem_id) < {"a", "b", "c"} and tokens.problem_id.nunique() == 2
    assert {"opening", "step", "digits", "check", "box", "end"} == set(tokens.kind)
    assert (tokens[tokens.kind == "end"].problem_id != "b").all(), "a trace that was cut has no end"
    first = tokens[tokens.position == 1]
    assert tokens.flip.sum() > 0 and (first.adapter_logprob > first.base_logprob).all()
    layers = pd.read_csv(folder / "layers.csv")
    assert list(layers.off) == ["none", "0", "1", "2"]
    steered = pd.read_csv(folder / "figures/steered_accuracy.csv").set_index("rule")
    assert list(steered.index) == ["base", "adapter", "divergence 10%", "chance 10%"]
    assert steered.chosen["base"] == 0 and steered.chosen["adapter"] == 1 and steered.tokens.max() <= 6
    assert steered.bound["chance 10%"] == pytest.approx(steered.chosen["divergence 10%"], abs=1e-5)
    for name in ("divergence_by_position", "divergence_by_kind", "divergence_by_layer", "steered_accuracy"):
        assert all((folder / f"figures/{name}{ending}").is_file() for ending in (".pdf", ".png", ".csv"))
    assert "level-5" in (folder / "flips.html").read_text()
    assert all(manifest_path(folder / name).is_file() for name in ("tokens.csv", "layers.csv", "steered.jsonl"))
    assert not [cell for cell in nbformat.read(out, as_version=4).cells if "rror" in str(cell.get("outputs", ""))]
    goes_on_where_it_was_cut(run, folder, monkeypatch)


def goes_on_where_it_was_cut(run: Path, folder: Path, monkeypatch) -> None:
    """A table that is whole is read; one whose manifest is missing is made again from the trace that is missing."""
    one = compared(run, "tuned", problems=2, shares=[0.1], max_tokens=6)
    path, whole = folder / "tokens.csv", (folder / "tokens.csv").read_bytes()
    made = read_manifest(path)
    manifest_path(path).unlink()
    write_json(folder / "tokens.csv.begun.json", {name: made[name] for name in ("parameters", "inputs")})
    first = pd.read_csv(path).problem_id.iloc[0]
    lines = whole.decode().splitlines(keepends=True)
    path.write_text(lines[0] + "".join(line for line in lines if line.startswith(f"{first},")))
    looked = []
    plain = locate.token_divergence
    monkeypatch.setattr(locate, "token_divergence", lambda *given: looked.append(1) or plain(*given))
    locate.token_table(one)
    assert looked == [1] and path.read_bytes() == whole


@pytest.mark.parametrize(
    "arm, more, message",
    [
        ("base", {}, "arm base is not fine-tuned, and has no adapter; use one of tuned, tuned-epoch-3"),
        ("tuned-2", {}, "arm tuned-2 is not there; did you mean tuned?"),
        ("tuned", {"traces": "tund"}, "traces: no arm 'tund' with benchmark traces; did you mean tuned?"),
        ("tuned", {"shares": [5]}, "shares: 5 is no share of tokens; give numbers between 0 and 1, as 0.05"),
        ("tuned", {"problems": 0}, "give at least one, and problems of at least 1"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(run, arm, more, message):
    with pytest.raises(BadInput) as error:
        compared(run, arm, **more)
    assert str(error.value).endswith(message)


def test_an_arm_of_an_epoch_has_the_adapter_of_that_epoch(run):
    one = compared(run, "tuned-epoch-3", traces="tuned")
    assert one.adapter == run / adapter("tuned") / "epoch-3" and one.folder == run / located("tuned-epoch-3")


def test_a_run_without_adapters(run, tmp_path, capsys):
    """As one that is shipped; the command says it before a notebook starts."""
    (tmp_path / "study.yaml").write_text((run / "study.yaml").read_text())
    assert main(["locate", str(tmp_path), "tuned"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "no finished adapter of tuned in it (a run that is shipped has none); run the study first (longcot run)"
    )
