"""Whether everything that a study starts from is there, as far as it can be known before anything runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.paths import looked_for, resolve
from longcot.models.adapter import check_base
from longcot.problems.problem import Problem
from longcot.problems.prompts import TEMPLATES
from longcot.problems.sources import ProblemSet, load_problems, local_path
from longcot.sampling.live import check_trackers
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.published import check_published
from longcot.study.study import Model, Study
from longcot.traces.importing import Imported, check_keys, iter_imported

ROWS = 1000  # of a file of traces, in which each key of its mapping must be found
LARGE = 64e6  # bytes of a file of traces that is not read as a whole


def _is_local(source: str) -> bool:
    """Whether a source is a file or folder of this machine; the others are looked for on the Hub."""
    return source.startswith((".", "/", "~/", "lib/", "runs/", "data:")) or local_path(source) is not None


def at_hand(source: str) -> bool:
    """Whether problems can be read without asking the Hub."""
    return _is_local(source) or source.startswith("miniature:")


def check_inputs(study: Study) -> list[str]:
    """See that everything the study starts from is there: problems, model directories, files of traces and templates.

    Returns what was looked at and what was not, a line each. A path with a slash that is no directory of the project
    may be a Hub id and is left to the Hub. Raises BadInput with all that is wrong.
    """
    check = _Checks(study)
    check.everything()
    if check.wrong:
        raise BadInput.of_all(check.wrong)
    return check.told()


class _Checks:
    """The checks of one study: what is `wrong`, what was `seen`, and what could not be looked at, `unseen`."""

    def __init__(self, study: Study):
        self.study = study
        self.wrong: list[BadInput] = []
        self.seen: list[str] = []
        self.unseen: list[str] = []
        self.folders = self.files = 0  # of models, and of traces whose keys were looked at

    def told(self) -> list[str]:
        """What was looked at, and what not, in a line each."""
        counts = [
            (self.folders, "folder of a model", "folders of models"),
            (self.files, "file of traces", "files of traces"),
        ]
        seen = [f"{count} {one if count == 1 else more}" for count, one, more in counts if count]
        lines = ["  checked: " + ", ".join(["keys and values", *self.seen, *seen])]
        return lines + (
            ["  not in the project, so ids of the Hub, left to the run: " + ", ".join(self.unseen)]
            if self.unseen
            else []
        )

    def attempt(self, do: Callable[..., Any], *given: Any) -> Any:
        """What `do` gives; None, and kept, where it raises BadInput."""
        try:
            return do(*given)
        except BadInput as error:
            self.wrong.append(error)
            return None

    def everything(self) -> None:
        study = self.study
        self.attempt(check_trackers, study.log_to)
        self.attempt(check_published, study.published, [arm.name for arm in study.arms])
        sets = {kind: self.problems(kind, given) for kind, given in study.problems if isinstance(given, ProblemSet)}
        if study.problems.label_corrections and sets.get("benchmark"):
            from longcot.problems.label_corrections import load_corrections

            self.attempt(load_corrections, study.problems.label_corrections, sets["benchmark"])
        for name, model in study.models.items():
            self.attempt(self.model, name, model)
        for one in [*study.arms, *study.training_traces]:
            if one.imported:
                self.attempt(self.imported, one.name, one.imported)
        for where, prompt in [("prompt", study.prompt), *((arm.name, study.prompt_of(arm)) for arm in study.arms)]:
            if prompt.template_file and not prompt.template_file.is_file():
                place, file = f"{study.name}: {where}: chat_template", looked_for(prompt.chat_template)
                self.wrong.append(BadInput(f"{place}: no file {file}; use {', '.join(TEMPLATES)}, or a Jinja file"))
        for arm in study.arms:
            self.attempt(self.served, arm)
        if not self.wrong:
            self.pools(sets.get("train") or [])

    def problems(self, kind: str, given: ProblemSet) -> list[Problem] | None:
        if not at_hand(given.source):
            self.unseen.append(f"problems.{kind} ({given.source})")
            return None
        loaded = self.attempt(lambda: load_problems(**given.model_dump()))
        self.seen += [f"{len(loaded):,} {'training' if kind == 'train' else 'benchmark'} problems"] if loaded else []
        return loaded

    def model(self, name: str, model: Model) -> None:
        for kind, folder in (("path", model.path), ("adapter", model.adapter)):
            if folder and _is_local(folder) and not resolve(folder).is_dir():
                raise BadInput(f"{self.study.name}: models.{name}.{kind}: no directory {looked_for(folder)}")
        if model.adapter and resolve(model.adapter).is_dir():
            check_base(resolve(model.adapter), model.path)
        if resolve(model.path).is_dir():
            self.folders += 1
        else:
            self.unseen.append(f"models.{name} ({model.path})")

    def imported(self, name: str, imported: Imported) -> None:
        if not _is_local(imported.source):
            self.unseen.append(f"traces of {name} ({imported.source})")
            return
        if not resolve(imported.source).exists():
            raise BadInput(f"{self.study.name}: {name}: no file {looked_for(imported.source)}")
        next(iter_imported(**imported.model_dump()))  # what is wrong with its form shows in the first row
        check_keys(imported, ROWS)
        self.files += 1

    def served(self, arm: Arm) -> None:
        model = self.study.models.get(arm.model)
        if arm.trained and (model.server or model.engine) and self.study.lora_of(arm).beside_lora:
            raise BadInput(
                f"{self.study.name}: {arm.name}: vLLM serves no adapter with lora.modules_to_save or "
                f"trainable_token_indices; leave out models.{arm.model}.{'server' if model.server else 'engine'}, to "
                "sample it in process"
            )

    def pools(self, train: list[Problem]) -> None:
        """See that no arm wants more traces than its pool can have, before any filter."""
        counts: dict[tuple[str, str], Counter[str] | None] = {}
        for arm in (arm for arm in self.study.arms if arm.data):
            teacher, stage = self.study.teacher(arm.data), arm.data.stage
            key = teacher.name, stage if teacher.imported else ""
            if key not in counts:
                counts[key] = self.attempt(_pool, teacher, stage, train)
            if counts[key] is not None:
                self.attempt(_check_size, self.study.name, arm, counts[key])
        known = [name for (name, _), count in counts.items() if count is not None]
        self.seen += (
            [f"whether {', '.join(dict.fromkeys(known))} can give as many traces as arms want"] if known else []
        )


def _pool(teacher: TrainingTraces, stage: str, train: list[Problem]) -> Counter[str] | None:
    """How many traces of each problem a teacher will have; None where that is not known, or takes long to know."""
    if teacher.model:
        return Counter({problem.id: teacher.samples for problem in train}) if train else None
    source = resolve(teacher.imported.source)
    if not _is_local(teacher.imported.source) or not source.is_file() or source.stat().st_size > LARGE:
        return None
    return Counter(_problems_of(teacher.imported, stage))


def _problems_of(imported: Imported, stage: str) -> Iterator[str]:
    return (trace.problem_id for trace in iter_imported(**imported.model_dump()) if trace.stage == stage)


def _check_size(study: str, arm: Arm, counts: Counter[str]) -> None:
    most = sum(min(arm.data.per_problem, count) for count in counts.values())
    if arm.data.n <= most:
        return
    what = f"traces of {arm.data.teacher}" + (f" at stage {arm.data.stage!r}" if arm.data.stage else "")
    have = f"there are {counts.total():,} of {len(counts):,} problems, so at most {most:,} to choose"
    raise BadInput(
        f"{study}: arm {arm.name}: n is {arm.data.n:,}, but of the {what} {have}, before any filter; lower n"
    )
