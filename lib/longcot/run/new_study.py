"""A study file of somebody's own model, problems and traces: they are looked at, and a commented study is written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from longcot.curation.filtering import FilterSpec, filter_traces
from longcot.curation.pool import Pool
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, data_folder, display_path, model_source, resolve
from longcot.files.privacy import home_shortened
from longcot.files.rows import stem
from longcot.files.visible import visible
from longcot.models.cards import cards
from longcot.problems.problem import Problem, problem_id
from longcot.problems.prompts import build_messages
from longcot.problems.sources import load_problems, local_path, source_rows
from longcot.run.training_fit import hub_answers
from longcot.study.guesses import problem_columns, trace_keys
from longcot.traces.importing import iter_imported
from longcot.traces.trace import Trace

LOOKED_AT = 500  # traces of a source that are read and graded
WANTED = 20  # traces to learn from, as in the paper
UNKNOWN_TOKENS = 4096  # of a response where the model or its traces cannot be looked at
NOT_HERE = "not on this machine, so not looked at"


@dataclass(frozen=True)
class OwnModel:
    """A model as a study names it, with what is known of it here."""

    path: str
    context: int | None = None
    tokenizer: Any = None
    said: str = NOT_HERE

    def tokens(self, text: str) -> int:
        """The length of a text in its tokens; a guess of 4 bytes each where it is not at hand."""
        if self.tokenizer is None:
            return len(text.encode()) // 4
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True)
class OwnProblems:
    """A problem set with its columns; `problems` are empty where it cannot be looked at."""

    source: str
    columns: dict[str, str]
    split: str = "train"
    problems: list[Problem] = field(default_factory=list)

    @property
    def said(self) -> str:
        """What was found, for people."""
        return f"{len(self.problems)} problems" if self.problems else NOT_HERE


@dataclass(frozen=True)
class OwnTraces:
    """Traces with their keys, what they are filtered by, and those of the looked at that the filters leave."""

    name: str
    source: str
    keys: dict[str, str]
    traces: list[Trace] = field(default_factory=list)
    stage: str = ""
    filters: list[FilterSpec] = field(default_factory=lambda: ["correct", "finished"])
    kept: list[Trace] = field(default_factory=list)

    @property
    def n(self) -> int:
        """How many an arm learns from: one of a problem, as many as there are up to `WANTED`."""
        return min(WANTED, len({trace.problem_id for trace in self.kept})) if self.traces else WANTED

    @property
    def said(self) -> str:
        """What was found, for people."""
        if not self.traces:
            return NOT_HERE
        count, right = len(self.traces), sum(bool(trace.correct) for trace in self.traces)
        problems = len({trace.problem_id for trace in self.traces})
        words = f"{'the first ' if count == LOOKED_AT else ''}{count} traces of {problems} problems"
        words += f", {right} right" if right else ", none right, so the filter `correct` is left out"
        stage = f" of stage {' '.join(self.stage.split())}" if self.stage else ""  # in one line, whatever it is
        return visible(f"{words}, {len(self.kept)} to choose from{stage}")


def look_at_model(given: str, where: str) -> OwnModel:
    """A model's context and tokenizer; `where` is how a study names it. Raises BadInput for a folder that is none."""
    from longcot.models.loading import context_length, load_config, load_pretrained_tokenizer

    folder = resolve(where)
    if not folder.is_dir() and where.startswith((".", "/", "~/")):
        raise BadInput(f"{given}: no such folder; give a model's folder, or its Hub id")
    if (folder / "adapter_config.json").is_file():
        raise BadInput(f"{given}: an adapter, and no model; give the folder or Hub id of its base")
    try:
        config = load_config(model_source(where), local_files_only=True)
        tokenizer = load_pretrained_tokenizer(model_source(where), local_files_only=True)
    except BadInput:
        if folder.is_dir():
            raise
        return OwnModel(where)
    context = context_length(config)
    said = "its own chat template" if tokenizer.chat_template else "no chat template"
    return OwnModel(where, context, tokenizer, f"{said}, a context of {context or 'any number of'} tokens")


def look_at_problems(where: str) -> OwnProblems:
    """A problem set, its columns guessed. Raises BadInput where they cannot be, or where it is not whole."""
    for split in _splits(where, ("test", "train")):
        try:
            _, row = next(source_rows(where, split, stream=True), (0, None))
        except BadInput:
            if split == "train":
                raise
            continue
        if row is None:
            raise BadInput(f"{where}: no row in it; give at least one problem")
        columns = problem_columns(row, where)
        return OwnProblems(where, columns, split, load_problems(where, split, columns))
    return OwnProblems(where, {"problem": "problem", "expected_answer": "answer"}, "test")


def look_at_traces(where: str, name: str, model: OwnModel, benchmark: Sequence[Problem]) -> OwnTraces:
    """Traces, their keys guessed, the first ones graded, and filters that leave some.

    Raises BadInput as importing does, and where the filters leave none.
    """
    from longcot.grading.grade import grade

    if not _splits(where, ("train",)):
        return OwnTraces(name, where, {"problem": "problem", "expected_answer": "answer", "text": "solution"})
    _, row = next(source_rows(where, stream=True), (0, None))
    if row is None:
        raise BadInput(f"{where}: no row in it; give at least one trace")
    keys = trace_keys(row, where)
    traces = grade(list(islice(iter_imported(where, keys), LOOKED_AT)))
    stage = traces[-1].stage  # the last of several is what the others led to
    own = [trace for trace in traces if trace.stage == stage]
    room = (model.context or 10**9) - 2 * _prompt_tokens(model, benchmark)
    filters: list[FilterSpec] = ["correct"] if any(trace.correct for trace in own) else []
    filters += ["finished"]
    if max(model.tokens(trace.text) for trace in own) > room:
        filters += [{"length": {"high": room}}]
    asked = {problem_id(problem.problem) for problem in benchmark}
    if any(problem_id(trace.problem) in asked for trace in own):
        filters += ["decontaminated"]
    pool = Pool(benchmark=benchmark, tokenizer=model_source(model.path) if model.tokenizer else "")
    try:
        kept = filter_traces(own, filters, pool).kept
    except BadInput as error:
        raise BadInput(f"{where}: no trace to learn from: {error}") from None
    return OwnTraces(name, where, keys, traces, stage, filters, kept)


def _splits(where: str, wanted: Sequence[str]) -> Sequence[str]:
    """The splits to try of a source; none where it is on the Hub, and that does not answer."""
    if where.startswith("miniature:") or (path := local_path(where)) and not path.is_dir():
        return ("train",)
    return wanted if path or "/" not in where or hub_answers() else ()


def _prompt_tokens(model: OwnModel, benchmark: Sequence[Problem]) -> int:
    """The tokens of the longest prompt, with room for the template's own."""
    asked = benchmark or [Problem(id="any", problem="x" * 2000, expected_answer="1")]
    longest = max(asked, key=lambda problem: len(problem.problem))
    return model.tokens(build_messages("zero_shot", longest)[-1]["content"]) + 64


def named_in_a_study(path: Path) -> str:
    """A file or folder as a study names it: relative to the project, under `data:`, from `~`, or whole."""
    whole = path.resolve()
    inside = whole.is_relative_to(ROOT) or ((data := data_folder()) and whole.is_relative_to(data))
    return display_path(whole) if inside else home_shortened(str(whole))


def name_of(source: str, taken: Sequence[str] = ()) -> str:
    """A name that may stand in a study, made of a source's own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem(source.split(":")[-1])).strip("._-")[:60] or "traces"
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, 1000))) if one not in taken)


def study_text(name: str, model: OwnModel, problems: OwnProblems, traces: Sequence[OwnTraces]) -> str:
    """The study as YAML with comments: the base as it is, and fine-tuned on each of the traces."""
    longest = max((model.tokens(trace.text) for one in traces for trace in one.kept), default=0)
    prompt = _prompt_tokens(model, problems.problems)
    room = (model.context or 32768) - prompt
    answers = min(_rounded(1.25 * longest) if longest else UNKNOWN_TOKENS, room)
    learnt = min(_rounded(longest + prompt) if longest else 2 * UNKNOWN_TOKENS, model.context or 32768)
    of = " and of ".join(dict.fromkeys(f"{one.n} traces of {one.name}" for one in traces))
    found = {"source": problems.source} | ({"split": problems.split} if problems.split != "train" else {})
    found |= {"columns": problems.columns} if problems.columns else {}
    lines = [
        "# Written by `longcot init` from what it found; change what you like. params/README.md has every key with its",
        "# default, `longcot check` says what is wrong, `longcot plan` what it would cost, `longcot run` runs it.",
        f"name: {_flow(name)}",
        f"title: {_flow(f'What does the base learn from {of}?')}",
        "",
        "problems: # every arm is asked these; `columns` are ours: theirs",
        f"  benchmark: {_flow(found)} # {problems.said}",
        "",
        "models:",
        "  base:",
        f"    path: {_flow(model.path)} # {model.said}",
        "    precision: nf4 # 4 bits, in training (QLoRA) and in sampling; bfloat16 for a model that is only sampled",
        "    # engine: vllm # on an NVIDIA GPU: samples models of a billion parameters and more many times faster",
        "",
        '# prompt: {system: "…"} # default: no system prompt; `template: "{problem}"` puts nothing around a problem',
        "sampling:",
        "  temperature: 0.6",
        "  top_p: 0.95",
        f"  max_tokens: {answers} # of a response; one that is cut counts as wrong",
        "  samples: 4 # of each problem; the more, the narrower the intervals. The paper has 64",
        "  seed: 1",
        "",
        "training_traces: # `keys` are ours: theirs",
    ]
    for one in traces:
        source = {"source": one.source, "keys": one.keys}
        lines += [f"  - name: {_flow(one.name)} # {one.said}", f"    imported: {_flow(source)}"]
    lines += [
        "",
        "lora: # how adapters are trained; what is not said is at its default",
        "  epochs: 15",
        "  learning_rate: 2.0e-4",
        f"  max_length: {learnt} # tokens of a prompt and its trace",
        "  seed: 1",
        *([] if cards() else ["  compute_dtype: float32 # there is no GPU here; bfloat16 is slow without one"]),
        "",
        "main_arm: base # what the others are compared with",
        "arms:",
        "  - {name: base, model: base}",
    ]
    more = []
    for one in traces:
        data: dict[str, Any] = {"teacher": one.name, "n": one.n, "seed": 1}
        data |= {"stage": one.stage} if one.stage else {}
        data |= {"filters": one.filters} if one.filters != ["correct", "finished"] else {}
        arm = f"{one.name}-{one.n}"
        lines.append(f"  - {_flow({'name': arm, 'model': 'base', 'data': data})}")
        again = _flow({"name": f"{arm}-b", "model": "base", "data": data | {"seed": 2}})
        shown = _flow(
            {"name": f"{one.name}-shown", "model": "base", "use": "examples", "data": data | {"n": min(2, one.n)}}
        )
        more += [f"  # - {again} # another draw", f"  # - {shown} # in the prompt"]
    lines += ["  # More to compare, without the first #:", *more]
    lines += ["  # - {name: asked-to-think, model: base, style: reasoning_style} # another prompt, no training"]
    return "\n".join(lines) + "\n"


def _rounded(tokens: float) -> int:
    return -(-int(tokens) // 256) * 256


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()
