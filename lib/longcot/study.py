"""A study's parameters: strict models of the file in params/, and errors that name the line."""

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from longcot.errors import BadInput
from longcot.files import resolve, shown
from longcot.settings import LoraSettings, Sampling, Strict

Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")  # becomes a file's name and cannot leave the run directory


class ProblemSet(Strict):
    """The arguments of `problems.load_problems`."""

    source: str
    split: str = "train"
    columns: dict[str, str] = {}
    revision: str | None = None
    limit: int | None = Field(None, ge=1)


class Problems(Strict):
    """Where training traces come from, and what is reported."""

    train: ProblemSet | None = None
    benchmark: ProblemSet | None = None


class Model(Strict):
    """A model to sample or to train on. Its precision holds in sampling and in training."""

    path: str  # a directory, relative to the project, or a Hub id
    adapter: str = ""  # the directory of a PEFT adapter on it
    precision: Literal["nf4", "float32", "bfloat16", "float16"] = "nf4"


class TrainingTraces(Strict):
    """A model to sample on the training problems: a teacher, or the base whose pass rates are the difficulty."""

    model: str
    samples: int = Field(1, ge=1)


class Data(Strict):
    """Which traces an arm learns from: `n` of the teacher's that pass the filters."""

    teacher: str
    n: int = Field(ge=1)
    seed: int = 0
    strategy: str = "random"
    filters: list[str] = ["correct", "finished"]


class Imported(Strict):
    """Traces that somebody else sampled: a JSONL file, our names mapped to its keys, and which rows to take."""

    path: str
    keys: dict[str, str]
    where: dict[str, str] = {}


class Arm(Strict):
    """One row of the comparison: a model, what was done to it, and how it is asked."""

    name: str = Name
    model: str = ""
    data: Data | None = None
    use: Literal["finetune", "examples"] = "finetune"  # what the data is for: training, or examples in the prompt
    imported: Imported | None = None

    @property
    def trained(self) -> bool:
        """Whether the arm is fine-tuned."""
        return self.data is not None and self.use == "finetune"


class Prompt(Strict):
    """How problems are put: `template` holds {problem}; no system prompt unless one is given."""

    template: str | None = None
    system: str | None = None


class Jobs(Strict):
    """How the work is cut. Results depend on the threads of a job, and on nothing else here."""

    threads: int = Field(1, ge=1)
    arms_per_job: int = Field(4, ge=1)
    memory_mb: int = Field(2000, ge=1)


class Study(Strict):
    """A table of arms, and all that is needed to fill it."""

    name: str = Name
    title: str
    problems: Problems = Problems()
    models: dict[str, Model] = {}
    prompt: Prompt = Prompt()
    sampling: Sampling | None = None
    training_traces: list[TrainingTraces] = []
    difficulty_model: str = ""  # the model among training_traces whose pass rates are the problems' difficulty
    lora: LoraSettings = LoraSettings()
    arms: list[Arm] = Field(min_length=1)
    main_arm: str
    deviations: list[str] = []
    jobs: Jobs = Jobs()

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        names = [arm.name for arm in self.arms]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"arms: {', '.join(sorted(twice))} stands twice; give each arm a name of its own")
        if self.main_arm not in names:
            raise ValueError(f"main_arm: no arm {self.main_arm!r}; use one of {', '.join(names)}")
        teachers = [teacher.model for teacher in self.training_traces]
        for arm in self.arms:
            if arm.imported is None and arm.model not in self.models:
                raise ValueError(f"arm {arm.name}: no model {arm.model!r}; use one of {', '.join(self.models)}")
            if arm.data and arm.data.teacher not in teachers:
                raise ValueError(f"arm {arm.name}: no training_traces of {arm.data.teacher!r}; add them")
        for teacher in [*teachers, *filter(None, [self.difficulty_model])]:
            if teacher not in self.models:
                raise ValueError(f"training_traces: no model {teacher!r}; use one of {', '.join(self.models)}")
        if self.difficulty_model and self.difficulty_model not in teachers:
            raise ValueError(f"difficulty_model: no training_traces of {self.difficulty_model!r}; add them")
        sampled = any(arm.imported is None for arm in self.arms)
        if sampled and not (self.problems.benchmark and self.sampling):
            raise ValueError("arms that are sampled need problems.benchmark and sampling; add both")
        if self.training_traces and not self.problems.train:
            raise ValueError("training_traces need problems.train; add it")
        return self

    @property
    def run_dir(self) -> str:
        """Where everything of this study goes, relative to the project."""
        return f"runs/{self.name}"

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def _line_of(text: str, place: tuple[str | int, ...]) -> int:
    """The line of a study file at which the value (or the last key that exists on the way to it) stands."""
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _advice(error: dict[str, Any], place: tuple[str | int, ...]) -> str:
    """What is wrong at a place, and the fix."""
    if error["type"] == "extra_forbidden":
        known: Any = Study
        for step in place[:-1]:
            known = _inner(known, step)
        names = list(getattr(known, "model_fields", {}))
        near = difflib.get_close_matches(str(place[-1]), names, 1)
        return f"unknown key {place[-1]!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}")
    if error["type"] in ("float_type", "int_type") and isinstance(error["input"], str):
        return f"{error['input']!r} is a text to YAML; write the number as 1.0e-4 or 0.0001, without quotes"
    return error["msg"].removeprefix("Value error, ") + ("" if error["type"] == "value_error" else "; mend this value")


def _inner(model: Any, step: str | int) -> Any:
    """The model that stands behind a field, an item of a list or a value of a mapping; None where there is none."""
    if isinstance(step, str) and hasattr(model, "model_fields"):
        model = model.model_fields[step].annotation if step in model.model_fields else None
    while model is not None and not hasattr(model, "model_fields"):
        inner = [kind for kind in getattr(model, "__args__", ()) if kind not in (str, type(None))]
        model = inner[0] if inner else None
    return model


def load_study(path: str | Path) -> Study:
    """The study in a YAML file. Raises BadInput: file, line, what is wrong, and the fix."""
    path = resolve(path)
    if not path.is_file():
        raise BadInput(f"{shown(path)}: no such study; the ones at hand are in params/")
    text = path.read_text(encoding="utf-8")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise BadInput(f"{shown(path)}:{line}: not YAML ({getattr(error, 'problem', error)}); mend the line") from None
    if not isinstance(values, dict):
        raise BadInput(f"{shown(path)}:1: not a mapping of keys to values; see params/miniature.yaml")
    try:
        return Study.model_validate(values)
    except ValidationError as found:
        errors = found.errors(include_url=False)
        # A mistyped key is two errors, one unknown and one missing; the unknown one says more.
        error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
        place = error["loc"]
        raise BadInput(
            f"{shown(path)}:{_line_of(text, place)}: {'.'.join(map(str, place)) or 'study'}: {_advice(error, place)}"
        ) from None


def check_inputs(study: Study) -> None:
    """See that everything the study starts from is there: problems, model directories, files of traces.

    A path with a slash that is no directory of the project may be a Hub id and is left to the Hub. Raises BadInput.
    """
    from longcot.problems import load_problems

    for problems in (study.problems.train, study.problems.benchmark):
        if problems and (problems.source.startswith(("miniature:", "data:")) or problems.source.endswith(".jsonl")):
            load_problems(**problems.model_dump())
    for name, model in study.models.items():
        for kind, folder in (("path", model.path), ("adapter", model.adapter)):
            local = folder.startswith((".", "/", "lib/", "runs/", "data:"))
            if folder and local and not resolve(folder).is_dir():
                raise BadInput(f"{study.name}: models.{name}.{kind}: no directory {folder}; mend the path")
    for arm in study.arms:
        if arm.imported and not resolve(arm.imported.path).is_file():
            raise BadInput(f"{study.name}: arm {arm.name}: no file {arm.imported.path}; mend the path")
