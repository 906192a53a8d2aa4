"""An arm to be plotted, and all that notebook 04 is given."""

from typing import Any

from pydantic import Field

from longcot.files.strict import Strict


def said_instead(own: dict[str, Any]) -> str:
    """What an arm says in place of the study's settings, in a line: `lora.rank 1, sampling.temperature 0`."""
    return ", ".join(f"{name}.{key} {value}" for name, changes in own.items() for key, value in changes.items())


class PlotTask(Strict):
    """An arm with its graded traces. Paths are relative to the run directory."""

    name: str = Field(min_length=1)
    model: str
    traces: str
    n_train: int = Field(0, ge=0)  # traces it was fine-tuned on in this study
    data: str = ""  # whose traces it was given, to learn from or in its prompt
    adapter: str = ""
    training_set: str = ""  # the file of the traces that it was fine-tuned on
    condition: dict[str, str] = {}  # property: value, of an arm that is reported with others (see `conditions`)
    foretold: str = ""  # what was expected of its condition before the study was run
    epoch: int = Field(0, ge=0)  # the epoch of its adapter, of an arm that is evaluated at several; else 0
    own: dict[str, Any] = {}  # what of the study's settings this arm replaces

    LATER = frozenset({"condition", "own", "foretold", "epoch"})

    @property
    def early(self) -> bool:
        """Whether it is another arm before the end of its training."""
        return "checkpoint" in self.own


class PlotParameters(Strict):
    """What notebook 04 is given besides its run directory; see its cell of parameters."""

    study: str
    tasks: list[PlotTask]
    problems: dict[str, Any]
    label_corrections: str
    main_arm: str
    deviations: list[str]
    published: dict[str, Any]
