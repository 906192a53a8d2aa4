"""The arms of a study, and the traces that they learn from."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from longcot.curation.task import Data
from longcot.files.strict import Strict, changes_of
from longcot.problems.prompts import AskedStyle, Edit, Prompt
from longcot.qlora.settings import LoraSettings
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
    arms of one value are reported together (`conditions.condition_table`).
    """

    of: dict[Text, Text] = Field(min_length=1)  # property: value, as {length: long}
    draws: int = Field(1, ge=1)  # arms of it, each with another seed


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

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Arm":
        if self.use == "curate" and not self.data:
            raise ValueError("use: curate without data; say which traces to choose")
        if self.condition and self.condition.draws > 1 and not self.data:
            raise ValueError(f"{self.condition.draws} draws without data; say which traces to draw")
        if self.lora and not self.trained:
            raise ValueError("lora of an arm that is not fine-tuned; leave it out, or give it data to learn from")
        if self.imported and (self.sampling or self.prompt):
            raise ValueError("sampling or prompt of an arm that is imported; leave them out")
        return self

    @property
    def own(self) -> dict[str, dict[str, Any]]:
        """What it says in place of the study's settings, as `{"lora": {"rank": 1}}`."""
        named = {name: getattr(self, name) for name in ("sampling", "prompt", "lora")}
        return {name: said for name, changes in named.items() if changes and (said := changes.model_dump())}

    @property
    def trained(self) -> bool:
        """Whether the arm is fine-tuned."""
        return self.data is not None and self.use == "finetune"

    @property
    def reported(self) -> bool:
        """Whether the arm has traces of the benchmark: not one that is only curated."""
        return self.use != "curate"


def each_draw(arms: list[Arm]) -> list[Arm]:
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
