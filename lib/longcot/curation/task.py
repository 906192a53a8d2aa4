"""Choosing an arm's traces into its training set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.data_sheet import write_data_sheet
from longcot.curation.filtering import Filtered, FilterSpec, filter_stage, read_filter, row_outcomes
from longcot.curation.pool import Pool
from longcot.curation.training_set import training_rows, write_training_set
from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.paths import model_name
from longcot.files.strict import Strict
from longcot.problems.prompts import Prompt
from longcot.traces.length import counted_alike


def _known_filter(spec: FilterSpec) -> FilterSpec:
    read_filter(spec)
    return spec


KnownFilter = Annotated[FilterSpec, AfterValidator(_known_filter)]


class Data(Choice):
    """Which traces an arm learns from: `n` of the teacher's that pass the filters, chosen as `Choice` says."""

    teacher: str  # a name among training_traces
    stage: str = ""  # of traces that were edited or written in stages; empty: the traces as they were sampled
    filters: list[KnownFilter] = ["correct", "finished"]  # names of those below, in the order given


class CurateTask(Strict):
    """A training set to be chosen from a file of traces, both in the run directory."""

    name: str
    use: Literal["finetune", "examples", "curate"] = "finetune"
    traces: str
    training_set: str
    data: Data
    prompt: Prompt = Prompt()
    condition: dict[str, str] = {}  # property: value, of an arm that is shown with others

    @property
    def pool(self) -> tuple[str, str, str]:
        """The traces that it chooses from: file, stage and filters. Arms of one pool are filtered once."""
        return self.traces, self.data.stage, str(self.data.filters)

    @property
    def set_name(self) -> str:
        """The set that it belongs to: its condition's values, or its own name."""
        return ", ".join(f"{name}: {value}" for name, value in self.condition.items()) or self.name

    def counted(self, pool: Pool) -> Pool:
        """The pool with its tokenizer only where this task needs it: to count what the traces do not say alike."""
        filters = [read_filter(spec)[1] for spec in self.data.filters]
        by_tokens = self.data.by_tokens or any(getattr(one, "by_tokens", False) for one in filters)
        own = (trace for trace in pool.traces.get(self.traces, ()) if trace.stage == self.data.stage)
        needed = pool.tokenizer and by_tokens and not counted_alike(own)
        return replace(pool, tokenizer=pool.tokenizer if needed else "")

    def recipe(self, pool: Pool) -> dict[str, Any]:
        """What decides the rows of the training set."""
        arm = {key: getattr(self, key) for key in ("name", "use", "training_set", "traces")} | self.data.recipe()
        recipe = {"arm": arm, "prompt": self.prompt.recipe()}
        if "decontaminated" in str(self.data.filters):
            recipe["benchmark"] = [problem.problem for problem in pool.benchmark]
        if pool.tokenizer:
            recipe["tokens_counted_by"] = model_name(pool.tokenizer)
        return recipe


@dataclass(frozen=True)
class CuratedArm:
    """A task that was done, and what its filters did to the traces."""

    task: CurateTask
    filtered: Filtered


def curate_arms(tasks: Sequence[CurateTask], pool: Pool, difficulty_traces: str, run_dir: Path) -> list[CuratedArm]:
    """Choose each arm's traces of the pool's and write its training set with a data sheet; see `curate_arm`.

    Arms of the same pool that follow each other are filtered once.
    """
    made: list[CuratedArm] = []
    for task in tasks:
        same = made[-1].filtered if made and made[-1].task.pool == task.pool else None
        made.append(curate_arm(task, pool, difficulty_traces, run_dir, same))
    return made


def curate_arm(
    task: CurateTask, pool: Pool, difficulty_traces: str, run_dir: Path, filtered: Filtered | None = None
) -> CuratedArm:
    """Choose an arm's traces and write its training set.

    The manifest has every row's fate, the data sheet lies beside it. `filtered` is what the same filters did to the
    same traces, if that is known. Raises BadInput, naming the arm, for a stage that the traces have not, and as filters
    and choice do.
    """
    out, source, data = run_dir / task.training_set, run_dir / task.traces, task.data
    tokenizer, pool = pool.tokenizer, task.counted(pool)
    inputs = [source, *([run_dir / difficulty_traces] if difficulty_traces else [])]
    making = Product(out, task.recipe(pool), inputs)
    try:
        filtered = filtered or filter_stage(task.traces, data.stage, data.filters, pool)
    except BadInput as error:
        raise BadInput(f"arm {task.name}: {error}") from None
    if not making.done:
        chosen = pick_traces(filtered.kept, data, pool, task.name)
        known, how = (dict(pool.problems), dict(pool.pass_rates)), task.prompt.wording
        rows = training_rows(chosen, *known, **how, empty_thoughts=task.prompt.empty_thoughts)
        write_training_set(out, rows)
        making.finish(removed=filtered.removed, rows=row_outcomes(filtered, chosen))
    write_data_sheet(out, tokenizer)
    return CuratedArm(task, filtered)
