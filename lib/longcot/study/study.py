"""A study's parameters: strict models of a file in params/. `reading` reads one."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from longcot.curation.strategies import BY_LIKELIHOOD
from longcot.curation.task import Data
from longcot.files.run_directory import adapter, epoch_of, run_of
from longcot.files.strict import Strict, parse
from longcot.models.base import Base
from longcot.problems.prompts import Prompt
from longcot.problems.sources import ProblemSet
from longcot.qlora.settings import LoraSettings
from longcot.sampling.live import Tracker
from longcot.sampling.settings import NamedEngine, Sampling, Server
from longcot.study.arms import Arm, Name, Text, TrainingTraces, each_draw
from longcot.study.cluster import Jobs
from longcot.study.published import Counterparts


class Problems(Strict):
    """Where training traces come from, and what is reported."""

    train: ProblemSet | None = None  # what teachers are asked
    benchmark: ProblemSet | None = None  # what every arm is asked
    label_corrections: str = ""  # a file of the benchmark's wrong labels; scores are then reported with both


class Model(Base):
    """A model to sample or to train on."""

    adapter: str = ""  # the directory of a PEFT adapter on it
    context: int | None = Field(None, ge=1)  # tokens of prompt and response together; default: what the model has
    server: Server | None = None  # where it is served
    engine: NamedEngine | None = None  # what the jobs start to sample it; neither: it is sampled in process

    @model_validator(mode="after")
    def _sampled_in_one_way(self) -> "Model":
        if self.server and self.engine:
            raise ValueError("server and engine of one model; leave one out")
        return self

    @property
    def base(self) -> Base:
        """The model without its adapter, and without where it is served."""
        return Base(**{name: getattr(self, name) for name in Base.model_fields})


class Assume(Strict):
    """What `make plan` reckons with where nothing has been measured yet. It changes no result."""

    tokens: dict[str, int] = {}  # mean length of a response, by arm, training traces or model; else max_tokens
    sampling_tokens_per_s: float | None = Field(None, gt=0)  # of one job
    training_tokens_per_s: float | None = Field(None, gt=0)  # of one job
    job_seconds: float = Field(10.0, ge=0)  # of a job that does nothing: start, imports, model load
    engine_seconds: float = Field(90.0, ge=0)  # of an engine's start: loading, compiling; of a 32B model minutes
    gpu_memory_gb: float | None = Field(None, gt=0)  # of all the GPUs that one model has
    usd_per_hour: float | None = Field(None, ge=0)  # of everything that runs at the same time


class Study(Strict):
    """A table of arms, and all that is needed to fill it."""

    name: str = Name  # of the run directory, runs/NAME
    title: str  # of the report
    problems: Problems = Problems()
    models: dict[Annotated[str, Name], Model] = {}
    prompt: Prompt = Prompt()
    sampling: Sampling | None = None
    training_traces: list[TrainingTraces] = []
    difficulty_model: str = ""  # the model among training_traces whose pass rates are the problems' difficulty
    likelihood_model: str = ""  # the model that reads all training traces, for the properties base_logprob and rsr
    lora: LoraSettings = LoraSettings()
    arms: Annotated[list[Arm], Field(min_length=1), AfterValidator(each_draw)]
    main_arm: str = ""  # the one that others are compared with; none where all are only curated
    deviations: list[str] = []  # from the paper, a sentence each, for the report
    published: Counterparts = Counterparts()
    licenses: dict[str, Text] = {}  # of a source, by its path or id as it stands in this file; for the cards
    jobs: Jobs = Jobs()
    assume: Assume = Assume()
    log_to: list[Tracker] = []  # where loss and accuracy are shown as they come; no result depends on it

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        if wrong := list(dict.fromkeys(self._wrong())):
            raise ValueError("\n".join(wrong))
        for arm in self.arms:
            self._check_own(arm)
            self._check_loss(arm)
        for arm in self.arms:
            if arm.checkpoint:
                self._check_checkpoint(arm)
            self._check_prefill(arm)
        for where, style, prompt in [
            *((f"arm {arm.name}", arm.style, self.prompt_of(arm)) for arm in self.arms),
            *((f"training_traces {one.name}", one.style, self.prompt) for one in self.training_traces),
        ]:
            if style == "raw" and not prompt.raw:
                raise ValueError(f"{where}: style: raw without prompt.raw; give it a template with {{problem}} in it")
        return self

    def _wrong(self) -> Iterator[str]:
        """What does not go together, a line each."""
        names = [arm.name for arm in self.arms]
        if twice := {name for name in names if names.count(name) > 1}:
            yield f"arms: {', '.join(sorted(twice))} stands twice; give each arm a name of its own"
        reported = [arm.name for arm in self.arms if arm.reported]
        if reported and self.main_arm not in reported:
            yield f"main_arm: no arm {self.main_arm!r}; use one of {', '.join(reported)}"
        teachers = [teacher.name for teacher in self.training_traces]
        if twice := {name for name in teachers if teachers.count(name) > 1}:
            yield f"training_traces: {', '.join(sorted(twice))} stands twice; give each a name of its own"
        for arm in self.arms:
            if arm.reported and arm.imported is None and arm.model not in self.models:
                yield f"arm {arm.name}: no model {arm.model!r}; use one of {', '.join(self.models)}"
                continue
            if arm.data:
                yield from self._wrong_data(arm.name, arm.data)
            base = self.models.get(arm.model)
            if arm.trained and (not base or base.precision != "nf4" or base.adapter):
                yield f"arm {arm.name}: {arm.model!r} is no nf4 base without an adapter; QLoRA trains on one"
        for teacher in self.training_traces:
            if teacher.model and teacher.model not in self.models:
                yield f"training_traces: no model {teacher.model!r}; use one of {', '.join(self.models)}"
        if self.difficulty_model and self.difficulty_model not in teachers:
            yield f"difficulty_model: no training_traces of {self.difficulty_model!r}; add them"
        yield from self._wrong_likelihood()
        sampled = any(arm.imported is None for arm in self.arms if arm.reported)
        if sampled and not (self.problems.benchmark and self.sampling):
            yield "arms that are sampled need problems.benchmark and sampling; add both"
        if any(teacher.model for teacher in self.training_traces) and not self.problems.train:
            yield "training_traces that are sampled need problems.train; add it"

    def _wrong_likelihood(self) -> Iterator[str]:
        """What is wrong with the model that reads the traces, and with the choices that need one."""
        model = self.models.get(self.likelihood_model)
        if self.likelihood_model and model is None:
            yield f"likelihood_model: no model {self.likelihood_model!r}; use one of {', '.join(self.models)}"
        if model and (model.server or model.adapter):
            has = "a server, and traces are read in process" if model.server else "an adapter, and a base is to read"
            yield f"likelihood_model: {self.likelihood_model!r} has {has}; name another"
        for arm in self.arms:
            for part in arm.data.parts if arm.data and not self.likelihood_model else []:
                if part.strategy in BY_LIKELIHOOD:
                    yield f"arm {arm.name}: strategy {part.strategy} needs a likelihood_model; name the base, say"

    def _check_own(self, arm: Arm) -> None:
        """See that what an arm says in place of the study's settings makes whole ones."""
        for name, changes in arm.own.items():
            if base := getattr(self, name, None):
                parse(type(base), base.model_dump() | changes, f"arm {arm.name}: {name}")

    def sampling_of(self, arm: Arm) -> Sampling:
        """How an arm is sampled on the benchmark."""
        return self.sampling.changed(arm.sampling)

    def prompt_of(self, arm: Arm) -> Prompt:
        """How problems are put to an arm."""
        return self.prompt.changed(arm.prompt)

    def lora_of(self, arm: Arm) -> LoraSettings:
        """How an arm is trained."""
        return self.lora.changed(arm.lora)

    def begun_by(self, arm: Arm) -> list[str]:
        """The arms that are sampled before this one, since its responses begin as theirs do: the nearest one first.

        Raises ValueError for an arm that is not there, and for a circle.
        """
        found: list[str] = []
        while arm.prefill and arm.prefill.arm:
            name, first = arm.prefill.arm, arm.name
            arm = next((one for one in self.arms if one.name == name and one.reported), None)
            if arm is None:
                raise ValueError(f"arm {first}: prefill of {name!r}, no arm with traces of the benchmark")
            if name in found:
                raise ValueError(f"arm {first}: prefill of {name!r}, whose own waits for it in a circle; cut it")
            found.append(name)
        return found

    def _check_prefill(self, arm: Arm) -> None:
        if not arm.prefill:
            return
        self.begun_by(arm)
        server = self.models[arm.model].server
        if server and server.api == "chat":
            raise ValueError(
                f"arm {arm.name}: prefill with models.{arm.model}.server.api: chat, which begins each response itself; "
                "use completions"
            )
        of = next((one for one in self.arms if one.name == arm.prefill.arm), None)
        if of and not of.imported and (arm.prefill.tokens or 0) >= (most := self.sampling_of(of).max_tokens):
            raise ValueError(f"arm {arm.name}: prefill of {arm.prefill.tokens} tokens of responses of {most} at most")

    def learner(self, arm: Arm) -> Arm:
        """The arm whose training makes the adapter that this one is sampled with: mostly itself."""
        return self.arm(arm.checkpoint.of) if arm.checkpoint else arm

    def own_of(self, arm: Arm) -> dict[str, dict[str, Any]]:
        """What an arm says in place of the study's settings, and how it was trained."""
        trained = {name: said for name, said in self.learner(arm).own.items() if name in ("lora", "loss", "transform")}
        return trained | arm.own if arm.checkpoint else arm.own

    def adapter_of(self, arm: Arm) -> str:
        """The adapter that an arm is sampled with, in the run directory; empty for one without one of the study's."""
        if arm.checkpoint:
            return f"{adapter(arm.checkpoint.of)}/{epoch_of(arm.checkpoint.epoch)}"
        return adapter(arm.name) if arm.trained else ""

    def sampled_with(self, trained: Sequence[Arm]) -> list[Arm]:
        """These arms that are trained, each with those that are sampled with its adapter at an epoch."""
        early = [arm for arm in self.arms if arm.checkpoint]
        return [one for arm in trained for one in (arm, *(one for one in early if one.checkpoint.of == arm.name))]

    def kept_epochs(self, arm: Arm) -> list[int]:
        """The epochs of an arm's training whose adapters others are sampled with."""
        return sorted({one.checkpoint.epoch for one in self.arms if one.checkpoint and one.checkpoint.of == arm.name})

    def _check_checkpoint(self, arm: Arm) -> None:
        of, epoch = arm.checkpoint.of, arm.checkpoint.epoch
        learner = next((one for one in self.arms if one.name == of and one.trained), None)
        if learner is None or learner.model != arm.model:
            raise ValueError(f"arm {arm.name}: checkpoint of {of!r}, no arm of {arm.model!r} that is fine-tuned")
        if epoch >= (epochs := self.lora_of(learner).epochs):
            raise ValueError(
                f"arm {of}: evaluate_at {epoch}, but its training ends after {epochs} epochs, where it is evaluated "
                "anyway; give earlier ones"
            )

    def _check_loss(self, arm: Arm) -> None:
        """See that traces which are sampled can be as long as the place from which, or up to which, they are learnt."""
        place = (arm.loss.first or arm.loss.after or 0) if arm.loss else 0
        if self.sampling and place > self.sampling.max_tokens and all(one.model for one in self.training_traces):
            raise ValueError(f"arm {arm.name}: {arm.loss} of traces of {self.sampling.max_tokens} tokens at most")

    def _wrong_data(self, arm: str, data: Data) -> Iterator[str]:
        for part in data.also:
            yield from self._wrong_data(arm, part)
        teacher = self.teacher(data)
        if teacher is None:
            yield f"arm {arm}: no training_traces of {data.teacher!r}; add them"
        # The stages of imported traces are not known before they are read.
        elif teacher.model and data.stage and data.stage not in teacher.edits:
            known = ", ".join(teacher.edits) or "none"
            yield f"arm {arm}: {data.teacher} has no stage {data.stage!r}; its edits: {known}"

    @property
    def trusted(self) -> list[str]:
        """The models whose own code may run."""
        return [name for name, model in self.models.items() if model.trust_remote_code]

    @property
    def run_dir(self) -> str:
        """Where everything of this study goes, relative to the project."""
        return run_of(self.name)

    def teacher(self, data: Data) -> TrainingTraces | None:
        """The training traces that an arm's data are chosen from; None where the study has none of that name."""
        return next((one for one in self.training_traces if one.name == data.teacher), None)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)
