"""What the model card says, and what the dataset card says beside the data sheet: facts of the run and of its study."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longcot.curation.data_sheet import composition, how_chosen, markdown_table
from longcot.curation.training_set import read_rows
from longcot.files.paths import model_name
from longcot.files.rows import stem
from longcot.report.publish.finished_arm import FinishedArm, shown_source
from longcot.study.checks import at_hand
from longcot.study.study import Model

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "generation_config.json")
QUESTION = "What is 2 + 3?"
CITATION = """```bibtex
@misc{du2025challenge,
  title = {The Challenge of Teaching Reasoning to {LLM}s Without {RL} or Distillation},
  author = {Wei Du and Branislav Kisacanin and George Armstrong and Shubham Toshniwal and Ivan Moshkov and others},
  year = {2025},
  eprint = {2507.09850},
  archivePrefix = {arXiv},
  url = {https://arxiv.org/abs/2507.09850}
}
```"""


@dataclass(frozen=True)
class Where:
    """Where a reader finds the base (`on_hub`: by its Hub id), and this adapter and its data; licence of both."""

    base: str
    on_hub: bool
    repo: str
    license: str


def model_card(done: FinishedArm, where: Where, prompt: str) -> "ModelCard":
    """The card of an adapter, with the Hub's metadata. `prompt` is what the base was trained to answer.

    It holds {problem} where the problem goes.
    """
    from huggingface_hub import ModelCard, ModelCardData

    name = done.arm.name
    base_source = ("base", where.base, done.licence(done.model.path))
    metadata = ModelCardData(
        model_name=name,
        base_model=where.base if where.on_hub else None,  # the Hub knows no directories
        library_name="peft",
        pipeline_tag="text-generation",
        license=where.license,
        datasets=[where.repo] if where.repo.count("/") == 1 else None,
        tags=["lora", "qlora", "reasoning", "chain-of-thought", "math", "longcot"],
        eval_results=_metrics(done),
    )
    return ModelCard(
        f"---\n{metadata.to_yaml()}\n---\n\n# {name}\n\n"
        f"A LoRA adapter on `{where.base}`, fine-tuned on {done.score['n_train']} traces of reasoning: arm `{name}` of "
        f"the study *{done.study.title}*, made with longcot to repeat and extend arXiv 2507.09850.\n\n"
        f"## Use\n\n{_use(done, where, prompt)}\n\n"
        f"## Scores\n\n{_scores(done)}\n\n"
        f"## Training data\n\n{_data(done)}\n\n"
        f"## Training\n\n{_training(done)}\n\n"
        f"## Licences\n\n{_licences([base_source, *done.sources()], where.license)}\n\n"
        f"## Provenance\n\n{_provenance(done)}\n\n"
        f"## Citation\n\n{CITATION}\n"
    )


def dataset_sections(done: FinishedArm, where: Where) -> str:
    """What ends the card of the training set: the study, what was trained on it, licences, provenance, citation."""
    return (
        f"\n## Study\n\nArm `{done.arm.name}` of *{done.study.title}*: an adapter on `{where.base}` was fine-tuned on "
        f"these traces.\n\n{_scores(done)}\n\n"
        f"## Licences\n\n{_licences(done.sources(), where.license)}\n\n"
        f"## Provenance\n\n{_provenance(done)}\n\n"
        f"## Citation\n\n{CITATION}\n"
    )


def licence_terms(done: FinishedArm) -> str:
    """The licences of a training set's sources, in a sentence."""
    return "; ".join(f"{role} `{name}`: {licence}" for role, name, licence in done.sources()) + "."


def _metrics(done: FinishedArm) -> list[Any]:
    """The arm's scores for the card's model-index, as fractions of 1."""
    from huggingface_hub import EvalResult

    row, benchmark = done.score, done.study.problems.benchmark
    on_hub = not at_hand(benchmark.source)
    dataset = {
        "dataset_type": benchmark.source if on_hub else _benchmark(done),
        "dataset_name": _benchmark(done),
        "dataset_split": benchmark.split if on_hub else None,
        "dataset_revision": benchmark.revision,
    }
    interval = f"95% interval {float(row['pass_at_1_low']):.3f} to {float(row['pass_at_1_high']):.3f}"
    figures = [("pass@1", row["pass_at_1"], f"pass@1, {_samples(row)}, {interval}")]
    if int(row["k"]) > 1:
        figures.append((f"maj@{row['k']}", row["maj_at_k"], f"majority of {row['k']}"))
    return [
        EvalResult("text-generation", metric_type=kind, metric_value=float(value), metric_name=name, **dataset)
        for kind, value, name in figures
    ]


def _benchmark(done: FinishedArm) -> str:
    """The name of the study's benchmark: a Hub id as it is, else the file's own name."""
    source = done.study.problems.benchmark.source
    return stem(source) if at_hand(source) else source


def _samples(row: dict[str, str]) -> str:
    problems, samples = int(row["n_problems"]), int(row["n_samples"])
    each = "one sample" if samples == problems else f"mean over {samples / problems:g} samples"
    return f"{each} of each of {problems} problems"


def _use(done: FinishedArm, where: Where, prompt: str) -> str:
    sampling, dtype = done.study.sampling, done.study.lora.compute_dtype
    pinned = f', revision="{done.model.revision}"' if done.model.revision else ""
    drawn = f"do_sample=True, temperature={sampling.temperature:g}, top_p={sampling.top_p:g}"
    how = f"max_new_tokens={sampling.max_tokens}, " + (drawn if sampling.temperature else "do_sample=False")
    place = "" if where.on_hub else " It is a directory of the project: run this from the project's root."
    return f"""The base is loaded in 4 bits (NF4), as it was trained and scored.{place}
The prompt is the one of training, with no system turn but one that stands in it. The generation config in this folder
ends a response with the turn too, which that of the base may not do: a server needs its token ids as stops.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

base = {json.dumps(where.base)}
adapter = {json.dumps(where.repo)}
nf4 = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype="{dtype}",
)
tokenizer = AutoTokenizer.from_pretrained(base{pinned})
model = AutoModelForCausalLM.from_pretrained(
    base, dtype="{dtype}", quantization_config=nf4, device_map="auto"{pinned}
)
model.generation_config = GenerationConfig.from_pretrained(adapter)
model = PeftModel.from_pretrained(model, adapter)

prompt = {json.dumps(prompt, ensure_ascii=False)}
text = prompt.replace("{{problem}}", {json.dumps(QUESTION)})
inputs = tokenizer(text, add_special_tokens=False, return_token_type_ids=False, return_tensors="pt").to(model.device)
output = model.generate(**inputs, {how})
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```"""


def _scores(done: FinishedArm) -> str:
    own, sampling = done.score, done.study.sampling
    columns = ["arm", "model", "traces", "pass@1", *([f"maj@{own['k']}"] if int(own["k"]) > 1 else [])]
    vote = f", and {columns[-1]}, a majority vote of {own['k']}" if int(own["k"]) > 1 else ""
    rows = [
        (
            f"**{row['arm']}**" if row is own else row["arm"],
            row["model"],
            "" if row["n_train"] == "0" else row["n_train"],
            f"{_percent(row['pass_at_1'])} ({_percent(row['pass_at_1_low'])} to {_percent(row['pass_at_1_high'])})",
            _percent(row["maj_at_k"]),
        )[: len(columns)]
        for row in done.scores
    ]
    models = ", ".join(f"{name} is `{_model(model)}` ({model.precision})" for name, model in done.study.models.items())
    deviations = "\n".join(f"- {line}" for line in done.study.deviations) or "- none stated"
    return f"""Percent right on `{_benchmark(done)}`: pass@1, {_samples(own)},
with its 95% interval over problems{vote}. Sampled at temperature
{sampling.temperature:g} and top-p {sampling.top_p:g}, at most {sampling.max_tokens:,} tokens. All arms of the study:

{markdown_table(columns, rows)}

Models: {models}.

Where the study says that it differs from the paper:

{deviations}"""


def _model(model: Model) -> str:
    return " with ".join(model_name(part) for part in (model.path, model.adapter) if part)


def _percent(fraction: str) -> str:
    return f"{100 * float(fraction):.1f}"


def _data(done: FinishedArm) -> str:
    manifest = done.manifests["training set"]
    removed = ", ".join(f"{label} (removed {count})" for label, count in manifest.get("removed", {}).items())
    rows = read_rows(done.files["training set"])
    writers = []
    for one in done.teachers:
        source = shown_source(one.imported.source) if one.imported else _model(done.study.models[one.model])
        writers.append(f"`{one.name}` (`{source}`)")
    return f"""Traces of {" and ".join(writers)}. Filters, in order: {removed or "none"}.
Of what they left: {how_chosen(manifest)}.

{markdown_table(("property", "value"), composition(rows))}"""


def _training(done: FinishedArm) -> str:
    manifest, report = done.manifests["adapter"], done.report
    machine = ", ".join(f"{key} {value}" for key, value in manifest["machine"].items())
    figures = {
        "base in training": manifest["precision"],
        **manifest["parameters"]["lora"],
        "traces": report["traces"],
        "too long, left out": len(report["dropped"]),
        "tokens of an epoch": report["tokens"],
        "longest trace, tokens": report["longest"],
        "steps": report["steps"],
        "loss of the last step, nats a token": f"{report['loss'][-1]:.4f}",
        "seconds": report["seconds"],
        "machine": machine,
    }
    return markdown_table(("setting or figure", "value"), [(key, str(value)) for key, value in figures.items()])


def _licences(sources: Sequence[tuple[str, str, str]], own: str) -> str:
    rows = [(role, f"`{name}`", licence) for role, name, licence in sources]
    return f"These files: {own if own != 'unknown' else 'not stated'}. Its sources, as the study states them:\n\n" + (
        markdown_table(("source", "name", "licence"), rows)
    )


def _provenance(done: FinishedArm) -> str:
    rows = []
    for what, made in done.manifests.items():
        git = made["git"].get("commit", "not known")[:12] + (", tree changed" if made["git"].get("dirty") else "")
        rows.append((what, f"`{made['sha256']}`", git, made["finished_at"]))
    inputs = done.manifests["adapter"]["inputs"]
    base = [(file, digest) for file, digest in inputs.items() if digest != done.manifests["training set"]["sha256"]]
    rows += [(f"base {file}", f"`{digest}`", "", "") for file, digest in base]
    packages = done.manifests["adapter"]["packages"] | {"Python": done.manifests["adapter"]["python"]}
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    seeds = f"Seeds: choice {done.arm.data.seed}, training {done.study.lora.seed}, sampling {done.study.sampling.seed}."
    return f"{markdown_table(('file', 'SHA-256', 'commit of longcot', 'finished'), rows)}\n\n{seeds} {versions}."
