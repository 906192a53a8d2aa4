"""A study's parameters: strict models of a file in params/. `study_file` reads one."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from longcot.curation import FilterSpec, read_filter
from longcot.curation.choice import Choice
from longcot.published import Beside
from longcot.settings import Jobs, LoraSettings, Sampling, Server, Strict

Style = Literal["zero_shot", "reasoning_style", "outline"]  # prompts.STYLES but few_shot, which is `use: examples`
Edit = Literal["explore", "verify", "backtrack", "join"]  # prompts.EDITS
Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)  # of a file, and cannot leave the run directory
Text = Annotated[str, Field(min_length=1)]
Where = dict[str, str | list[str]]  # column: its value, or one of several, in the rows to take


class ProblemSet(Strict):
    """The arguments of `problems.load_problems`."""

    source: str
    split: str = "train"
    columns: dict[str, str] = {}
    revision: str | None = None
    limit: int | None = Field(None, ge=1)
    where: Where = {}


class Problems(Strict):
    """Where training traces come from, and what is reported."""

    train: ProblemSet | None = None
    benchmark: ProblemSet | None = None
    label_corrections: str = ""  # a file of the benchmark's wrong labels; scores are then reported with both


class Model(Strict):
    """A model to sample or to train on. Its precision holds in sampling and in training."""

    path: str  # a directory, relative to the project, or a Hub id
    revision: str = ""  # of a Hub id: branch, tag or commit
    trust_remote_code: bool = False  # run the code that comes with it; a study that asks for it is warned of it
    adapter: str = ""  # the directory of a PEFT adapter on it
    precision: Literal["nf4", "float32", "bfloat16", "float16"] = "nf4"  # nf4: QLoRA's, with double quantization
    context: int | None = Field(None, ge=1)  # tokens of prompt and response together; default: what the model has
    server: Server | None = None  # where it is served; none: it is sampled in process


class Imported(Strict):
    """Traces that somebody else made: where, our names mapped to their keys, and which rows to take."""

    source: str  # a JSONL file, a Hub dataset, or the miniature's
    keys: dict[str, str]
    where: Where = {}
    split: str = "train"
    revision: str | None = None


class TrainingTraces(Strict):
    """Traces to choose from: a model's on the training problems (a teacher's, or the base's, whose pass rates are the
    problems' difficulty), or imported ones, which bring their own problems.
    """

    name: str = Name  # the model's where none is given
    model: str = ""
    samples: int = Field(1, ge=1)
    temperature: float | None = Field(None, ge=0)  # the study's where none is given
    style: Style = "zero_shot"
    edits: list[Edit] = []  # passes over the model's own traces, each a stage of its own
    imported: Imported | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_model(cls, values: Any) -> Any:
        return {"name": values["model"]} | values if isinstance(values, dict) and "model" in values else values

    @model_validator(mode="after")
    def _sampled_or_imported(self) -> "TrainingTraces":
        if bool(self.model) == bool(self.imported):
            raise ValueError("give a model to sample, or imported traces, and not both")
        return self


def _known_filter(spec: FilterSpec) -> FilterSpec:
    read_filter(spec)
    return spec


class Data(Choice):
    """Which traces an arm learns from: `n` of the teacher's that pass the filters, chosen as `Choice` says."""

    teacher: str  # a name among training_traces
    stage: str = ""  # of traces that were edited or written in stages; empty: the traces as they were sampled
    filters: list[Annotated[FilterSpec, AfterValidator(_known_filter)]] = ["correct", "finished"]


class Condition(Strict):
    """What an arm stands for in a comparison of conditions: the value of each property that it shows, over its draws.

    An arm of several draws is as many arms, `name-1`, `name-2` and so on, each with the next seed for its choice. The
    arms of one value are reported together (`conditions.condition_table`).
    """

    of: dict[Text, Text] = Field(min_length=1)  # property: value, as {length: long}
    draws: int = Field(1, ge=1)


class Arm(Strict):
    """One row of the comparison: a model, what was done to it, and how it is asked."""

    name: str = Name
    model: str = ""
    data: Data | None = None
    use: Literal["finetune", "examples", "curate"] = "finetune"  # the data: to train on, to put in the prompt, to have
    style: Style = "zero_shot"  # of the benchmark's prompts
    imported: Imported | None = None
    condition: Condition | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Arm":
        if self.use == "curate" and not self.data:
            raise ValueError("use: curate without data; say which traces to choose")
        if self.condition and self.condition.draws > 1 and not self.data:
            raise ValueError(f"{self.condition.draws} draws without data; say which traces to draw")
        return self

    @property
    def trained(self) -> bool:
        """Whether the arm is fine-tuned."""
        return self.data is not None and self.use == "finetune"

    @property
    def reported(self) -> bool:
        """Whether the arm has traces of the benchmark: not one that is only curated."""
        return self.use != "curate"


def _each_draw(arms: list[Arm]) -> list[Arm]:
    """The arms with each draw of a condition as an arm of its own."""
    expanded = []
    for arm in arms:
        if not arm.condition or arm.condition.draws == 1:
            expanded.append(arm)
            continue
        for draw in range(1, arm.condition.draws + 1):
            changes = {"name": f"{arm.name}-{draw}", "condition": Condition(of=arm.condition.of)}
            changes["data"] = arm.data.model_copy(update={"seed": arm.data.seed + draw})
            expanded.append(arm.model_copy(update=changes))
    return expanded


class Prompt(Strict):
    """How problems are put: `template`, of zero_shot, holds {problem}; no system prompt unless one is given."""

    template: str | None = None
    system: str | None = None


class Assume(Strict):
    """What `make plan` reckons with where nothing has been measured yet. It changes no result."""

    tokens: dict[str, int] = {}  # mean length of a response, by arm, training traces or model; else max_tokens
    sampling_tokens_per_s: float | None = Field(None, gt=0)  # of one job
    training_tokens_per_s: float | None = Field(None, gt=0)  # of one job
    job_seconds: float = Field(10.0, ge=0)  # of a job that does nothing: start, imports, model load
    gpu_memory_gb: float | None = Field(None, gt=0)  # of all the GPUs that one model has
    usd_per_hour: float | None = Field(None, ge=0)  # of everything that runs at the same time


class Study(Strict):
    """A table of arms, and all that is needed to fill it."""

    name: str = Name
    title: str
    problems: Problems = Problems()
    models: dict[Annotated[str, Name], Model] = {}
    prompt: Prompt = Prompt()
    sampling: Sampling | None = None
    training_traces: list[TrainingTraces] = []
    difficulty_model: str = ""  # the model among training_traces whose pass rates are the problems' difficulty
    lora: LoraSettings = LoraSettings()
    arms: Annotated[list[Arm], Field(min_length=1), AfterValidator(_each_draw)]
    main_arm: str = ""  # the one that others are compared with; none where all are only curated
    deviations: list[str] = []
    published: Beside = Beside()
    licenses: dict[str, Text] = {}  # of a source, by its path or id as it stands in this file; for the cards
    jobs: Jobs = Jobs()
    assume: Assume = Assume()

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        names = [arm.name for arm in self.arms]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"arms: {', '.join(sorted(twice))} stands twice; give each arm a name of its own")
        reported = [arm.name for arm in self.arms if arm.reported]
        if reported and self.main_arm not in reported:
            raise ValueError(f"main_arm: no arm {self.main_arm!r}; use one of {', '.join(reported)}")
        teachers = [teacher.name for teacher in self.training_traces]
        if twice := {name for name in teachers if teachers.count(name) > 1}:
            raise ValueError(f"training_traces: {', '.join(sorted(twice))} stands twice; give each a name of its own")
        for arm in self.arms:
            if arm.reported and arm.imported is None and arm.model not in self.models:
                raise ValueError(f"arm {arm.name}: no model {arm.model!r}; use one of {', '.join(self.models)}")
            if arm.data:
                self._check_data(arm.name, arm.data)
            base = self.models.get(arm.model)
            if arm.trained and (not base or base.precision != "nf4" or base.adapter):
                raise ValueError(
                    f"arm {arm.name}: {arm.model!r} is no nf4 base without an adapter; QLoRA trains on one"
                )
        for teacher in self.training_traces:
            if teacher.model and teacher.model not in self.models:
                raise ValueError(f"training_traces: no model {teacher.model!r}; use one of {', '.join(self.models)}")
        if self.difficulty_model and self.difficulty_model not in teachers:
            raise ValueError(f"difficulty_model: no training_traces of {self.difficulty_model!r}; add them")
        sampled = any(arm.imported is None for arm in self.arms if arm.reported)
        if sampled and not (self.problems.benchmark and self.sampling):
            raise ValueError("arms that are sampled need problems.benchmark and sampling; add both")
        if any(teacher.model for teacher in self.training_traces) and not self.problems.train:
            raise ValueError("training_traces that are sampled need problems.train; add it")
        return self

    def _check_data(self, arm: str, data: Data) -> None:
        teacher = self.teacher(data)
        if teacher is None:
            raise ValueError(f"arm {arm}: no training_traces of {data.teacher!r}; add them")
        # The stages of imported traces are not known before they are read.
        if teacher.model and data.stage and data.stage not in teacher.edits:
            known = ", ".join(teacher.edits) or "none"
            raise ValueError(f"arm {arm}: {data.teacher} has no stage {data.stage!r}; its edits: {known}")

    @property
    def trusted(self) -> list[str]:
        """The models whose own code may run."""
        return [name for name, model in self.models.items() if model.trust_remote_code]

    @property
    def run_dir(self) -> str:
        """Where everything of this study goes, relative to the project."""
        return f"runs/{self.name}"

    def teacher(self, data: Data) -> TrainingTraces | None:
        """The training traces that an arm's data are chosen from; None where the study has none of that name."""
        return next((one for one in self.training_traces if one.name == data.teacher), None)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)
