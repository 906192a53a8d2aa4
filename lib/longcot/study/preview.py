"""What the models of a study are sent, what they learn and what stops them, as far as they are at hand.

Looked at before anything runs: what cannot be is one line then, not an hour later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longcot.curation.training_set import training_rows
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT, model_name, model_source, resolve
from longcot.files.run_directory import training_traces
from longcot.files.visible import visible
from longcot.problems.problem import Problem
from longcot.problems.prompts import Prompt, build_messages
from longcot.problems.sources import load_problems
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.checks import at_hand
from longcot.study.study import Model, Study
from longcot.traces.importing import import_traces
from longcot.traces.trace import Trace, iter_traces

SHIPPED = "lib/longcot/miniature/weights"  # models whose template is the project's own, and tested
SHOWN = 90  # characters of either end of a text
LARGE = 64e6  # bytes of a file of traces that is not read for one trace
ANY = Problem(id="any", problem="What is 2+3?", expected_answer="5")


@dataclass(frozen=True)
class Preview:
    """A way in which models are spoken to: what it is called, lines about it, and what is to be minded."""

    name: str
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        notes = [f"note       {note}" for note in self.notes]
        return "\n".join([self.name, *(f"  {line}" for line in [*self.lines, *notes])])


def previews(study: Study, shipped: bool = False) -> list[Preview]:
    """One for each base and way of speaking to it.

    Models that come with the project are looked at with `shipped` only, as it takes seconds. Raises BadInput where a
    model cannot be spoken to, or trained, as the study says.
    """
    ways: dict[tuple[Any, ...], list[Arm | TrainingTraces]] = {}
    for one in [*study.arms, *study.training_traces]:
        model = study.models.get(one.model)
        if model and (shipped or not resolve(model.path).is_relative_to(ROOT / SHIPPED)):
            prompt = _prompt(study, one).model_copy(update={"empty_thoughts": False})
            key = model.base, prompt.model_dump_json(), model.server.api if model.server else "", one.style == "raw"
            ways.setdefault(key, []).append(one)
    asked = _first_problem(study) if ways else ANY
    return [_preview(study, ones, asked) for ones in ways.values()]


def _prompt(study: Study, one: Arm | TrainingTraces) -> Prompt:
    return study.prompt_of(one) if isinstance(one, Arm) else study.prompt


def _first_problem(study: Study) -> Problem:
    """The first problem of the benchmark, or of the training set; of none that is at hand one of our own."""
    for found in (study.problems.benchmark, study.problems.train):
        if found and at_hand(found.source):
            return load_problems(**found.model_dump())[0]
    return ANY


def _preview(study: Study, ones: Sequence[Arm | TrainingTraces], asked: Problem) -> Preview:
    first, names = ones[0], ", ".join(dict.fromkeys(one.model for one in ones))
    model, prompt = study.models[first.model], _prompt(study, first)
    try:
        tokenizer = _tokenizer(model)
        if tokenizer is None:
            return Preview(f"{names} ({model.path}): its tokenizer is not at hand; the first job will look at it")
        from longcot.models.templates import RAW, spoken_as, with_template

        spoken = "a document's format" if first.style == "raw" else spoken_as(tokenizer, prompt.chat_template)
        tokenizer = with_template(tokenizer, prompt.chat_template)
        messages = build_messages(first.style, asked, **prompt.wording_of(first.style))
        speaking = with_template(tokenizer, RAW) if first.style == "raw" else tokenizer
        lines = _sent(model, prompt, speaking, messages, first.style == "raw")
        trained = [one for one in ones if isinstance(one, Arm) and one.trained]
        stops = prompt.raw.stops if first.style == "raw" and prompt.raw else []
        lines += _learnt(study, trained, tokenizer, asked) + [_stops(model, speaking, stops)]
        notes = _notes(study, model, trained, tokenizer, spoken)
    except BadInput as error:
        raise BadInput(f"{study.name}: models.{first.model}: {error}") from None
    return Preview(f"{names} ({model_name(model.path)}): in {spoken or 'its own chat template'}", lines, notes)


def _tokenizer(model: Model) -> Any:
    """A model's tokenizer; None where it would have to be fetched, or where only its server need have one."""
    from longcot.models.loading import load_pretrained_tokenizer

    which = (model_source(model.path), model.revision, model.trust_remote_code)
    try:
        return load_pretrained_tokenizer(*which, local_files_only=True)
    except BadInput:
        if resolve(model.path).is_dir() and not (model.server and model.server.api == "chat"):
            raise
        return None


def _sent(model: Model, prompt: Prompt, tokenizer: Any, messages: list[dict[str, str]], raw: bool = False) -> list[str]:
    """What is sent, and what of the template is not."""
    from longcot.models.chat import left_out, render, thought_opening

    if model.server and model.server.api == "chat":
        if prompt.chat_template not in ("", "own"):
            raise BadInput("api: chat has the server's chat template; use api: completions for another")
        if raw:
            raise BadInput("api: chat has the server's chat template; use api: completions for style: raw")
        return [
            "sent       as messages: the server's chat template makes a prompt of them, its own system turn and all"
        ]
    sent = render(tokenizer, messages, add_generation_prompt=True)
    count = len(tokenizer(sent, add_special_tokens=False)["input_ids"])
    if count >= (room := _room(model)):
        raise BadInput(f"a prompt of {count} tokens leaves no room in its context of {room}; shorten prompt.template")
    lines = [f"sent       {_shown(sent)} ({count} tokens)"]
    if prompt.system is None and (turn := left_out(tokenizer)):
        lines.append(f"left out   {_shown(turn)}, a system turn of the template's own")
    if opening := thought_opening(tokenizer):
        lines.append(f"opened     {_shown(opening)} by the prompt, put before each response")
    return lines


def _stops(model: Model, tokenizer: Any, own: Sequence[str]) -> str:
    from longcot.models.chat import stop_ids, stop_texts
    from longcot.models.loading import own_stops

    ids = stop_ids(tokenizer, own_stops(model_source(model.path), model.revision, local_files_only=True))
    stops = [f"{text} ({number})" for number, text in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)]
    return f"stops      {', '.join([*stops, *map(repr, [*stop_texts(tokenizer), *own])])}"


def _notes(study: Study, model: Model, trained: Sequence[Arm], tokenizer: Any, spoken: str) -> list[str]:
    from longcot.models.unseen import unseen_tokens

    folder = resolve(model.path)
    notes = unseen_tokens(tokenizer, spoken or "own", folder if folder.is_dir() else None)
    if notes and trained and not any(study.lora_of(arm).beside_lora for arm in trained):
        notes.append("lora.trainable_token_indices trains the embeddings of such tokens")
    return notes


def _room(model: Model) -> float:
    """The tokens that a model takes, as far as they are known here."""
    from longcot.models.loading import context_length, load_config

    how = (model.revision, model.trust_remote_code)
    try:
        own = context_length(load_config(model_source(model.path), *how, local_files_only=True))
    except BadInput:  # of a Hub model whose tokenizer alone is here
        own = None
    return min(filter(None, (model.context, own)), default=float("inf"))


def _learnt(study: Study, trained: Sequence[Arm], tokenizer: Any, asked: Problem) -> list[str]:
    """What is learnt of each teacher's first trace, where that is at hand; else of one that is left open."""
    from longcot.qlora.beside_lora import token_id
    from longcot.qlora.tokens import tokenize

    lines = {}
    for arm in trained:
        for token in study.lora_of(arm).trainable_token_indices:
            token_id(tokenizer, token)
        prompt, teacher = study.prompt_of(arm), study.teacher(arm.data)
        trace = _first_trace(study, teacher)
        loss = arm.loss if trace else None
        if (key := (teacher.name, prompt.empty_thoughts, str(loss or ""))) in lines:
            continue
        open_one = Trace(problem_id="any", sample=0, problem=asked.problem, expected_answer="5", model="", text="…")
        row = training_rows([trace or open_one], {}, {}, **prompt.wording, empty_thoughts=prompt.empty_thoughts)[0]
        labels = [label for label in tokenize(row["messages"], tokenizer, loss=loss)[1] if label >= 0]
        of = f"{len(labels)} tokens, the first trace of {teacher.name}" if trace else f"of a trace of {teacher.name}"
        lines[key] = f"learnt     {_shown(tokenizer.decode(labels))} ({of}{f', {loss}' if loss else ''})"
    return list(lines.values())


def _first_trace(study: Study, teacher: TrainingTraces) -> Trace | None:
    made = resolve(study.run_dir) / training_traces(teacher.name)
    if made.is_file() and (found := next(iter_traces(made), None)):
        return found
    source = resolve(teacher.imported.source) if teacher.imported else Path()
    if teacher.imported and source.is_file() and source.stat().st_size < LARGE:
        return import_traces(**teacher.imported.model_dump())[0]
    return None


def _shown(text: str) -> str:
    """A text in one line, its middle left out where it is long."""
    text = text if len(text) <= 2 * SHOWN else f"{text[:SHOWN]} … {text[-SHOWN:]}"
    return visible(text.replace("\n", "\\n"))
