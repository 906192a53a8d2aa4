import json

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq

from longcot.files.errors import BadInput
from longcot.models.nf4 import load_base_4bit, save_dequantized
from longcot.qlora.settings import LoraSettings
from longcot.qlora.tokens import read_training_set, tokenize
from longcot.qlora.trainer import IGNORED
from longcot.qlora.training import train_adapter
from longcot.sampling.local import LocalSampler
from longcot.sampling.settings import Sampling

SETTINGS = LoraSettings(
    rank=8, alpha=16, learning_rate=2e-2, epochs=4, batch_size=2, max_length=250, compute_dtype="float32"
)
REPLIES = ["Two: \\boxed{2}.", "First three, then a check. \\boxed{3}", "\\boxed{5}"]
GREEDY = Sampling(temperature=0.0, max_tokens=60)


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]


@pytest.fixture(scope="module", autouse=True)
def _threads():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def base(tiny_model):
    return load_base_4bit(tiny_model, "float32")


@pytest.fixture(scope="module")
def plain(tiny_model, tmp_path_factory):
    return save_dequantized(tiny_model, tmp_path_factory.mktemp("nf4") / "base")


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "three.jsonl"
    rows = [{"messages": turns(f"Q{n}", text), "problem_id": f"p{n}"} for n, text in enumerate(REPLIES)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def test_a_trace_that_is_too_long_is_dropped_by_name(tokenizer, training_set, base, tmp_path):
    path = tmp_path / "set.jsonl"
    long = json.dumps({"problem_id": "p7", "messages": turns("Q", "x" * 300)}) + "\n"
    path.write_text(long + training_set.read_text())
    rows, dropped = read_training_set(path, tokenizer, 100, "drop")
    assert rows == read_training_set(training_set, tokenizer, 100)[0]
    assert len(dropped) == 1 and dropped[0].startswith("set.jsonl:1 (p7): 3")
    settings = SETTINGS.model_copy(update={"max_length": 100, "epochs": 1})
    with pytest.raises(BadInput, match="limit is 100; raise lora.max_length or set lora.too_long to drop"):
        train_adapter(base, tokenizer, path, tmp_path / "a", settings)
    report = train_adapter(base, tokenizer, path, tmp_path / "a", settings.model_copy(update={"too_long": "drop"}))
    assert report["traces"] == 3 and report["dropped"] == dropped
    path.write_text(long)
    with pytest.raises(BadInput, match="all 1 are longer than 100"):
        read_training_set(path, tokenizer, 100, "drop")


def test_long_traces_one_at_a_time_train_the_same(base, tokenizer, training_set, tmp_path, monkeypatch):
    """Traces of different length in a step, the last step of an epoch with one of them."""
    plain = train_adapter(base, tokenizer, training_set, tmp_path / "plain", SETTINGS)
    monkeypatch.setattr("longcot.qlora.training.SMALL", 0)
    report = train_adapter(base, tokenizer, training_set, tmp_path / "long", SETTINGS)
    assert report["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert report["loss"] != plain["loss"]  # not the same computation
    weights = [load_file(tmp_path / name / "adapter_model.safetensors") for name in ("plain", "long")]
    for name, tensor in weights[0].items():
        assert torch.allclose(weights[1][name], tensor, atol=1e-2 * tensor.abs().max().item()), name


def test_unknown_target_modules_are_refused(base, tokenizer, training_set, tmp_path):
    with pytest.raises(BadInput, match="nonsense"):
        settings = SETTINGS.model_copy(update={"target_modules": ["nonsense"]})
        train_adapter(base, tokenizer, training_set, tmp_path / "a", settings)


def test_settings_are_strict():
    for wrong in ({"rank": 8.5}, {"learning_rate": "1e-3"}, {"lr": 1e-3}, {"compute_dtype": "int8"}):
        with pytest.raises(ValidationError):
            LoraSettings.model_validate(wrong)


def test_padding_lets_no_trace_see_another(base, tokenizer, training_set):
    rows, _ = read_training_set(training_set, tokenizer, 250)
    batch = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)(rows)
    with torch.no_grad():
        together = base(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    for row, mask, labels, scores in zip(rows, batch["attention_mask"], batch["labels"], together, strict=True):
        alone = logits(base, row["input_ids"])
        assert torch.allclose(scores[mask.bool()], alone, atol=1e-4)
        assert (labels[~mask.bool()] == IGNORED).all()


def test_one_base_one_precision(base, plain, tiny_model, tokenizer):
    saved = AutoModelForCausalLM.from_pretrained(plain)
    ids = tokenizer("What is 1 + 1 + 1?")["input_ids"]
    assert saved.dtype == torch.float32
    assert torch.allclose(logits(saved.eval(), ids), logits(base.eval(), ids), atol=1e-4)
    whole = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    assert not torch.allclose(logits(saved, ids), logits(whole.eval(), ids), atol=1e-2)
    assert saved.generation_config.eos_token_id == [0, tokenizer.convert_tokens_to_ids("<|im_end|>")]
    assert saved.generation_config.top_k is None


def test_trains_after_sampling_and_leaves_the_base_alone(base, tokenizer, training_set, tmp_path):
    base.eval()
    ids = tokenizer("What is 1 + 1?")["input_ids"]
    before = logits(base, ids)
    base.generate(torch.tensor([ids]), max_new_tokens=3)  # where bitsandbytes would repack the weights
    assert torch.equal(logits(base.train(), ids), before)
    seen = []
    report = train_adapter(base, tokenizer, training_set, tmp_path / "a", SETTINGS, on_step=seen.append)
    assert torch.equal(logits(base, ids), before)
    assert report["steps"] == len(report["loss"]) == len(seen) == 8 and report["loss"][-1] < report["loss"][0]
    again = train_adapter(base, tokenizer, training_set, tmp_path / "b", SETTINGS)
    assert again["loss"] == report["loss"]
    for name in ("adapter_model.safetensors", "adapter_config.json", "loss.csv", "generation_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert not config["base_model_name_or_path"].startswith("/")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    other = train_adapter(base, tokenizer, training_set, tmp_path / "c", SETTINGS.model_copy(update={"seed": 1}))
    assert other["loss"] != report["loss"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step, resumed", [(1, 1), (5, 5), ("save", 9)])  # from the last epoch's end, two steps each
def test_killed_and_resumed_is_the_same_adapter(base, tokenizer, training_set, tmp_path, monkeypatch, step, resumed):
    settings = SETTINGS.model_copy(update={"dropout": 0.1})  # random numbers at each step
    train_adapter(base, tokenizer, training_set, tmp_path / "whole", settings)

    def kill(row):
        if row["step"] == step:
            raise Killed

    def kill_at_save(*_):
        raise Killed

    with pytest.raises(Killed), monkeypatch.context() as patch:
        if step == "save":
            patch.setattr("longcot.qlora.training._save", kill_at_save)
        train_adapter(base, tokenizer, training_set, tmp_path / "cut", settings, on_step=kill)
    if step == 5:  # the next checkpoint was being written
        torn = tmp_path / "cut.training" / "checkpoint-6"
        torn.mkdir()
        (torn / "trainer_state.json").write_text('{"epoch": 3')
    assert not (tmp_path / "cut").exists()
    with pytest.raises(BadInput, match="cut.training: begun with other"):
        train_adapter(base, tokenizer, training_set, tmp_path / "cut", SETTINGS)
    steps = []
    train_adapter(base, tokenizer, training_set, tmp_path / "cut", settings, lambda row: steps.append(row["step"]))
    assert steps == list(range(resumed, 9))
    for name in ("adapter_model.safetensors", "loss.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_trained_adapter_ends_its_turns(base, plain, tokenizer, training_set, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 40, "learning_rate": 1e-2})
    folder = tmp_path / "adapter"
    train_adapter(base, tokenizer, training_set, folder, settings)
    sampler = LocalSampler(plain, threads=1, device="cpu")
    prompts = [turns(f"Q{n}") for n in range(len(REPLIES))]
    assert not {done.text for done in sampler.sample(prompts, GREEDY, 0)} & set(REPLIES)
    sampler.use_adapter(folder)
    done = sampler.sample(prompts, GREEDY, 0)
    assert [one.text for one in done] == REPLIES and {one.finish_reason for one in done} == {"stop"}
    # The merged model of the sampler, PEFT's own on the saved base, and the stops an engine would read.
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(plain), folder).eval()
    ids = tokenize(turns("Q0", REPLIES[0]), tokenizer, 200)[0]
    assert torch.allclose(logits(model, ids), logits(sampler.model, ids), atol=1e-3)
    stops = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert sorted(stops) == sampler.stops


def test_adapters_are_kept_at_epochs_also_when_training_is_cut(base, tokenizer, training_set, tmp_path, monkeypatch):
    """As they were then: the weights of a training that was cut after that epoch."""
    from longcot.qlora import training

    class Cut(Exception):
        pass

    whole = train_adapter(base, tokenizer, training_set, tmp_path / "whole", SETTINGS, keep=[1, 3])
    kept = {n: load_file(tmp_path / f"whole/epoch-{n}/adapter_model.safetensors") for n in (1, 3)}
    assert not torch.equal(*(next(iter(weights.values())) for weights in kept.values()))
    assert PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base.name_or_path), tmp_path / "whole/epoch-1"
    )
    assert (tmp_path / "whole/epoch-1/generation_config.json").is_file() and not (tmp_path / "whole/epoch-2").exists()

    def cut(folder, epochs):  # a kill between a checkpoint and the copy of it
        raise Cut

    monkeypatch.setattr(training, "keep_epoch", cut)
    with pytest.raises(Cut):
        train_adapter(base, tokenizer, training_set, tmp_path / "again", SETTINGS, keep=[1, 3])
    monkeypatch.undo()
    again = train_adapter(base, tokenizer, training_set, tmp_path / "again", SETTINGS, keep=[1, 3])
    assert again["loss"] == whole["loss"]
    for n, weights in kept.items():
        found = load_file(tmp_path / f"again/epoch-{n}/adapter_model.safetensors")
        assert all(torch.equal(found[name], matrix) for name, matrix in weights.items())
    plain = train_adapter(base, tokenizer, training_set, tmp_path / "plain", SETTINGS)
    assert plain["loss"] == whole["loss"]
