"""Choosing an arm's traces into its training set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.data_sheet import write_data_sheet
from longcot.curation.filtering import Filtered, FilterSpec, filter_stage, read_filter, row_outcomes
from longcot.curation.pool import Pool
from longcot.curation.strategies import BY_LIKELIHOOD
from longcot.curation.training_set import training_rows, write_training_set
from longcot.curation.transforms import NamedTransform, transform_traces
from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.paths import model_name
from longcot.files.run_directory import likelihoods_of
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
    also: list["Data"] = []  # more traces, of other teachers or chosen otherwise, on other problems than these

    transform: NamedTransform | None = None  # what is done to the chosen ones before they are learnt

    LATER = frozenset({"also", "transform"})

    @model_validator(mode="after")
    def _one_level(self) -> "Data":
        if self.transform and self.transform.kind == "swap_traces" and self.n == 1:
            raise ValueError("transform swap_traces of one trace; take more")
        if any(part.also for part in self.also):
            raise ValueError("also within also; name all parts beside each other")
        return self

    @property
    def parts(self) -> list["Data"]:
        """What is chosen one after another: this, and what is chosen besides."""
        return [self, *self.also]

    @property
    def size(self) -> int:
        """How many traces are chosen in all."""
        return sum(part.n for part in self.parts)

    @property
    def source(self) -> str:
        """The teachers, as `reasoner` or `reasoner + instruct`."""
        return " + ".join(dict.fromkeys(part.teacher for part in self.parts))

    def drawn(self, draw: int) -> "Data":
        """The same with seeds that are as much higher, for another draw."""
        changes: dict[str, Any] = {"seed": self.seed + draw, "also": [part.drawn(draw) for part in self.also]}
        if self.transform:
            changes["transform"] = self.transform.model_copy(update={"seed": self.transform.seed + draw})
        return self.model_copy(update=changes)


class CurateTask(Strict):
    """A training set to be chosen from a file of traces, both in the run directory."""

    name: str
    use: Literal["finetune", "examples", "curate"] = "finetune"
    traces: str
    also: list[str] = []  # the files of `data.also`
    training_set: str
    data: Data
    prompt: Prompt = Prompt()
    condition: dict[str, str] = {}  # property: value, of an arm that is shown with others

    @property
    def parts(self) -> list["CurateTask"]:
        """This task without what is chosen besides, and a task for each part of that."""
        files = [self.traces, *self.also]
        return [
            self.model_copy(update={"traces": file, "data": part.model_copy(update={"also": []}), "also": []})
            for file, part in zip(files, self.data.parts, strict=True)
        ]

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
        arm |= {"also_traces": self.also} if self.also else {}
        if "decontaminated" in str([part.filters for part in self.data.parts]):
            recipe["benchmark"] = [problem.problem for problem in pool.benchmark]
        if pool.tokenizer:
            recipe["tokens_counted_by"] = model_name(pool.tokenizer)
        return recipe


@dataclass(frozen=True)
class CuratedArm:
    """A task that was done, and what its filters did to the traces."""

    task: CurateTask
    filtered: Filtered
    also: Sequence[Filtered] = ()  # of the task's other parts

    @property
    def parts(self) -> list["CuratedArm"]:
        """Each part of the task with its own filters' doing."""
        each = zip(self.task.parts, [self.filtered, *self.also], strict=True)
        return [CuratedArm(task, filtered) for task, filtered in each]


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
    same traces, if that is known. What is chosen besides (`data.also`) is of problems that were not taken before, and
    then each row names its teacher. Raises BadInput, naming the arm, for a stage that the traces have not, and as
    filters and choice do.
    """
    out, tokenizer, parts = run_dir / task.training_set, pool.tokenizer, task.parts
    pools = [part.counted(pool) for part in parts]
    files = dict.fromkeys([*(part.traces for part in parts), *([difficulty_traces] if difficulty_traces else [])])
    files |= {likelihoods_of(part.traces): None for part in parts if part.data.strategy in BY_LIKELIHOOD}
    counting = next((one for one in pools if one.tokenizer), pools[0])
    making = Product(out, task.recipe(counting), [run_dir / file for file in files])
    try:
        found = [filtered] if filtered else []
        for part, of in list(zip(parts, pools, strict=True))[len(found) :]:
            found.append(filter_stage(part.traces, part.data.stage, part.data.filters, of))
    except BadInput as error:
        raise BadInput(f"arm {task.name}: {error}") from None
    if not making.done:
        _choose(task, parts, found, pools, making)
    write_data_sheet(out, tokenizer)
    return CuratedArm(task, found[0], found[1:])


def _choose(
    task: CurateTask, parts: Sequence[CurateTask], found: Sequence[Filtered], pools: Sequence[Pool], making: Product
) -> None:
    """Choose the traces of each part and write them all."""
    rows, removed, fates, changes = [], {}, [], []
    for part, filtered, pool in zip(parts, found, pools, strict=True):
        taken = {row["problem_id"] for row in rows}
        free = [trace for trace in filtered.kept if trace.problem_id not in taken]
        chosen = pick_traces(free, part.data, pool, task.name)
        known, how = (dict(pool.problems), dict(pool.pass_rates)), task.prompt.wording
        told: list[dict[str, Any]] = [{} for _ in chosen]
        learnt = chosen
        if part.data.transform:
            made = transform_traces(chosen, part.data.transform, task.name)
            learnt, told = (
                [one.trace for one in made],
                [{"transform": one.row(part.data.transform.kind)} for one in made],
            )
            changes += [[one.problem_id, one.sample, said["transform"]] for one, said in zip(chosen, told, strict=True)]
        own = training_rows(learnt, *known, **how, empty_thoughts=task.prompt.empty_thoughts)
        own = [row | said for row, said in zip(own, told, strict=True)]
        if not task.also:
            rows, removed, fates = own, filtered.removed, row_outcomes(filtered, chosen)
            continue
        rows += [row | {"teacher": part.data.teacher} for row in own]
        removed |= {f"{part.data.teacher}: {label}": count for label, count in filtered.removed.items()}
        fates += [[*fate, part.data.teacher] for fate in row_outcomes(filtered, chosen)]
    write_training_set(making.path, rows)
    making.finish(removed=removed, rows=fates, **({"transformed": changes} if changes else {}))
