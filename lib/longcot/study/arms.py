"""The arms of a study, and the traces that they learn from."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from longcot.curation.task import Data
from longcot.files.strict import Strict, changes_of
from longcot.problems.prompts import AskedStyle, Edit, Prompt
from longcot.qlora.settings import LoraSettings, Loss
from longcot.sampling.prefill import Prefill
from longcot.sampling.settings import Sampling
from longcot.traces.importing import Imported

Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)  # of a file, and cannot leave the run directory

Text = Annotated[str, Field(min_length=1)]


SamplingChanges = changes_of(Sampling)
PromptChanges = changes_of(Prompt)
LoraChanges = changes_of(LoraSettings, but=("compute_dtype",))  # one base is computed in one type


class TrainingTraces(Strict):
    """Traces to choose from: a model's on the training problems (a teacher's, or the base's, whose pass rates are the
    problems' difficulty), or imported ones, which bring their own problems.
    """

    name: str = Name  # the model's where none is given
    model: str = ""  # whose traces: a name among models; or they are imported
    samples: int = Field(1, ge=1)  # for each problem
    temperature: float | None = Field(None, ge=0)  # the study's where none is given
    style: AskedStyle = "zero_shot"  # how it is asked
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


class Condition(Strict):
    """What an arm stands for in a comparison of conditions: the value of each property that it shows, over its draws.

    An arm of several draws is as many arms, `name-1`, `name-2` and so on, each with the next seed for its choice. The
    arms of one value are reported together (`conditions.condition_table`), what was foretold beside what came.
    """

    of: dict[Text, Text] = Field(min_length=1)  # property: value, as {length: long}
    draws: int = Field(1, ge=1)  # arms of it, each with another seed
    foretold: str = Field("", max_length=300)  # what is expected of it, written before the study is run


class Checkpoint(Strict):
    """Another arm's adapter as it was after an epoch of its training."""

    of: str = Name  # the arm
    epoch: int = Field(ge=1)  # of its training, counted from 1


class Arm(Strict):
    """One row of the comparison: a model, what was done to it, and how it is asked."""

    name: str = Name  # in tables and figures, and of its files
    model: str = ""  # a name among models
    data: Data | None = None
    use: Literal["finetune", "examples", "curate"] = "finetune"  # the data: to train on, to put in the prompt, to have
    style: AskedStyle = "zero_shot"  # of the benchmark's prompts
    imported: Imported | None = None
    condition: Condition | None = None
    sampling: SamplingChanges | None = None  # in place of the study's, on the benchmark
    prompt: PromptChanges | None = None  # in its training set and on the benchmark
    lora: LoraChanges | None = None
    loss: Loss | None = None  # which tokens of its traces are learnt; none: all that the assistant says
    prefill: Prefill | None = None  # what its responses to the benchmark begin with
    evaluate_at: list[Annotated[int, Field(ge=1)]] = []  # epochs: each is an arm `name-epoch-3` of its own
    checkpoint: Checkpoint | None = None  # the adapter that it is sampled with, of an arm that is trained

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Arm":
        if self.use == "curate" and not self.data:
            raise ValueError("use: curate without data; say which traces to choose")
        if self.condition and self.condition.draws > 1 and not self.data:
            raise ValueError(f"{self.condition.draws} draws without data; say which traces to draw")
        if self.lora and not self.trained:
            raise ValueError("lora of an arm that is not fine-tuned; leave it out, or give it data to learn from")
        for name in ("loss", "evaluate_at"):
            if getattr(self, name) and not self.trained:
                raise ValueError(f"{name} of an arm that is not fine-tuned; leave it out, or give it data")
        if self.checkpoint and (self.data or self.imported or not self.model):
            raise ValueError("checkpoint of an arm with data or imported, or without a model; it learns nothing itself")
        if self.imported and (self.sampling or self.prompt or self.prefill):
            raise ValueError("sampling, prompt or prefill of an arm that is imported; leave them out")
        if self.style == "raw" and self.use == "examples":
            raise ValueError("style: raw with use: examples, which are turns of a chat; leave one out")
        if self.prefill and not self.reported:
            raise ValueError("prefill of an arm that is only curated; leave it out")
        return self

    @property
    def own(self) -> dict[str, dict[str, Any]]:
        """What it says in place of the study's settings, as `{"lora": {"rank": 1}}`."""
        named = {name: getattr(self, name) for name in ("sampling", "prompt", "lora", "checkpoint")}
        said = {name: changes.model_dump() for name, changes in named.items() if changes}
        said |= {"prefill": self.prefill.said} if self.prefill else {}
        said |= {"loss": self.loss.said} if self.loss else {}
        said |= {"transform": self.data.transform.said} if self.data and self.data.transform else {}
        return {name: changes for name, changes in said.items() if changes}

    @property
    def trained(self) -> bool:
        """Whether the arm is fine-tuned."""
        return self.data is not None and self.use == "finetune"

    @property
    def reported(self) -> bool:
        """Whether the arm has traces of the benchmark: not one that is only curated."""
        return self.use != "curate"


def each_draw(arms: list[Arm]) -> list[Arm]:
    """The arms with each draw of a condition, and each epoch at which one is evaluated, as an arm of its own."""
    expanded = []
    for arm in arms:
        if not arm.condition or arm.condition.draws == 1:
            expanded += _each_epoch(arm)
            continue
        for draw in range(1, arm.condition.draws + 1):
            changes = {"name": f"{arm.name}-{draw}", "condition": arm.condition.model_copy(update={"draws": 1})}
            changes["data"] = arm.data.drawn(draw)
            expanded += _each_epoch(arm.model_copy(update=changes))
    return expanded


def _each_epoch(arm: Arm) -> list[Arm]:
    """The arm, and one for each epoch at which it is evaluated.

    Where the arm's condition has the property `epochs`, they show it too, each with its own value; what is foretold of
    the arm is foretold of them.
    """
    arms = [arm.model_copy(update={"evaluate_at": []})]
    for epoch in arm.evaluate_at:
        changes: dict[str, Any] = {"name": f"{arm.name}-epoch-{epoch}", "condition": None}
        if arm.condition and "epochs" in arm.condition.of:
            changes["condition"] = Condition(of={"epochs": str(epoch)}, foretold=arm.condition.foretold)
        changes |= {"data": None, "lora": None, "loss": None, "evaluate_at": []}
        arms.append(arm.model_copy(update=changes | {"checkpoint": Checkpoint(of=arm.name, epoch=epoch)}))
    return arms
