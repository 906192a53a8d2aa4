"""The jobs of a study: which notebook runs with which parameters, after which others. The Snakefile runs them.

training traces ─► curate ─► fine-tune ─► benchmark traces ─► plot
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from longcot.curation.task import CurateTask
from longcot.figures.task import PlotTask
from longcot.files.run_directory import STUDY, adapter, benchmark_traces, table, training_set, training_traces
from longcot.files.strict import Strict
from longcot.qlora.task import TrainTask
from longcot.sampling.importing import ImportTask
from longcot.sampling.task import SampleTask
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.cluster import GpuRequest
from longcot.study.reading import load_study
from longcot.study.study import Study

T = TypeVar("T")
GENERATE, CURATE, FINETUNE, PLOT = (
    "01_generate_traces",
    "02_analyze_curation",
    "03_finetune_qlora",
    "04_plot_evaluation",
)


@dataclass(frozen=True)
class Job:
    """One run of a notebook on `tasks`, with `settings`, its other parameters.

    `after` names the jobs it waits for; `products` lie in the run directory; `request` is what it asks a cluster for.
    """

    name: str
    notebook: str
    tasks: Sequence[Strict]
    settings: dict[str, Any]
    after: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    request: GpuRequest = GpuRequest()

    @property
    def parameters(self) -> dict[str, Any]:
        """The notebook's parameters as plain data."""
        given: dict[str, list] = {"tasks": []}
        for task in self.tasks:
            given.setdefault("imports" if isinstance(task, ImportTask) else "tasks", []).append(task.model_dump())
        return self.settings | given


def chunks(arms: Sequence[T], size: int) -> list[list[T]]:
    """The arms in as few jobs of at most `size` as it takes, dealt out in turn so that long ones spread."""
    count = -(-len(arms) // size)
    return [list(arms[start::count]) for start in range(count)]


def batches(study: Study, arms: Sequence[Arm] | Sequence[TrainingTraces]) -> list[list[Any]]:
    """The arms (or training traces) in jobs of one base each, since a job loads its weights once; then in chunks.

    Only where they are sampled parts arms of one base. An engine is started once for all of them, on all GPUs.
    """
    return [
        chunk
        for (_, _, engine), group in _by_base(study, arms).items()
        for chunk in ([group] if engine else chunks(group, study.jobs.arms_per_job))
    ]


def _by_base(study: Study, arms: Sequence[Arm] | Sequence[TrainingTraces]) -> dict[tuple, list[Any]]:
    """The arms by their base, whether it is served, and its engine."""
    same: dict[tuple, list[Any]] = {}
    for arm in arms:
        model = study.models[arm.model]
        same.setdefault((model.base, model.server is None, model.engine), []).append(arm)
    return same


def _served_as(study: Study, model: str, name: str, folder: str) -> str:
    """The name on a server: of an arm's own adapter the arm's, else that of the model in the study."""
    return name if folder and folder != study.models[model].adapter else model


def _sample_task(study: Study, model: str, name: str, folder: str, **how: Any) -> SampleTask:
    """A model of the study, with the adapter in `folder` (or its own), to be sampled."""
    given = study.models[model]
    folder = folder or given.adapter
    return SampleTask(
        name=name,
        base=given.base,
        adapter=folder,
        context=given.context,
        server=given.server,
        engine=given.engine,
        served_as=_served_as(study, model, name, folder) if given.server or given.engine else "",
        dtype=study.lora.compute_dtype,
        **how,
    )


def _teacher_task(study: Study, teacher: TrainingTraces) -> SampleTask:
    own = {"samples": teacher.samples}
    own |= {} if teacher.temperature is None else {"temperature": teacher.temperature}
    how = {"style": teacher.style, "edits": teacher.edits, "traces": training_traces(teacher.name)}
    how |= {"sampling": study.sampling.model_copy(update=own), "prompt": study.prompt, "own": own}
    return _sample_task(study, teacher.model, teacher.name, "", **how)


def _benchmark_task(study: Study, arm: Arm) -> SampleTask:
    own = study.adapter_of(arm)
    folder = f"{study.run_dir}/{own}" if own else ""
    how = {"style": arm.style, "traces": benchmark_traces(arm.name)}
    how |= {"examples": training_set(arm.name) if arm.data and not arm.trained else ""}
    how |= {"sampling": study.sampling_of(arm), "prompt": study.prompt_of(arm), "prefill": arm.prefill}
    how |= {"prefill_traces": benchmark_traces(arm.prefill.arm) if arm.prefill and arm.prefill.arm else ""}
    how |= {"own": {name: said for name, said in arm.own.items() if name not in ("lora", "loss", "transform")}}
    return _sample_task(study, arm.model, arm.name, folder, **how)


def _generate(study: Study, name: str, problems: Any, tasks: list[SampleTask], after: list[str]) -> Job:
    settings = {"run_dir": study.run_dir, "problems": problems.model_dump(), "threads": study.jobs.threads}
    settings["job"] = name
    request = study.jobs.request(None if all(task.server for task in tasks) else study.jobs.sampling)
    return Job(f"{GENERATE}-{name}", GENERATE, tasks, settings, after, [task.traces for task in tasks], request)


def on_gpus(jobs: Sequence[Job], count: int) -> list[Job]:
    """The jobs with the GPUs of this machine to ask for, of which there are `count`, where the study asks for none.

    One for what is sampled in process and for what is trained; all for an engine, whose replicas take what there is.
    """
    asking = []
    for job in jobs:
        engine = any(isinstance(task, SampleTask) and task.engine for task in job.tasks)
        trains = any(isinstance(task, TrainTask) for task in job.tasks)
        local = any(isinstance(task, SampleTask) and not task.server for task in job.tasks)
        wanted = (count if engine else 1) if trains or local else None
        own = job.request.gpus or wanted
        asking.append(replace(job, request=job.request.model_copy(update={"gpus": own if count else None})))
    return asking


def _training_jobs(study: Study) -> list[Job]:
    sampled = [one for one in study.training_traces if one.model]
    return [
        _generate(study, f"training-{number}", study.problems.train, [_teacher_task(study, one) for one in group], [])
        for number, group in enumerate(batches(study, sampled))
    ]


def _curate_job(study: Study, after: list[str]) -> Job:
    tasks = [
        CurateTask(
            name=arm.name,
            use=arm.use,
            traces=training_traces(arm.data.teacher),
            also=[training_traces(part.teacher) for part in arm.data.also],
            training_set=training_set(arm.name),
            data=arm.data,
            prompt=study.prompt_of(arm),
            condition=arm.condition.of if arm.condition else {},
        )
        for arm in study.arms
        if arm.data
    ]
    against = any("decontaminated" in str([part.filters for part in task.data.parts]) for task in tasks)
    settings = {
        "run_dir": study.run_dir,
        "problems": study.problems.train.model_dump() if study.problems.train else {},
        "benchmark": study.problems.benchmark.model_dump() if against else {},
        "difficulty_traces": training_traces(study.difficulty_model) if study.difficulty_model else "",
        "tokenizer": next((study.models[arm.model].path for arm in study.arms if arm.data and arm.model), ""),
        "study": study.title,
        "deviations": [] if any(arm.reported for arm in study.arms) else study.deviations,  # else notebook 04 has them
    }
    return Job(CURATE, CURATE, tasks, settings, after, [task.training_set for task in tasks], study.jobs.request())


def _benchmark_job(study: Study, name: str, arms: Sequence[Arm], after: list[str]) -> Job:
    tasks = [_benchmark_task(study, arm) for arm in arms]
    return _generate(study, f"benchmark-{name}", study.problems.benchmark, tasks, after)


def _train_job(study: Study, number: int, arms: Sequence[Arm]) -> Job:
    tasks = [
        TrainTask(
            name=arm.name,
            base=study.models[arm.model].base,
            training_set=training_set(arm.name),
            adapter=adapter(arm.name),
            lora=study.lora_of(arm),
            loss=arm.loss,
            keep=study.kept_epochs(arm),
            prompt=study.prompt_of(arm),
            own={name: said for name, said in arm.own.items() if name in ("lora", "loss")},
        )
        for arm in arms
    ]
    settings = {"run_dir": study.run_dir, "threads": study.jobs.threads}
    products, request = [task.adapter for task in tasks], study.jobs.request(study.jobs.training)
    return Job(f"{FINETUNE}-{number}", FINETUNE, tasks, settings, [CURATE], products, request)


def _at_once(study: Study, arms: Sequence[Arm]) -> list[Arm]:
    """Those of the arms that wait for no other arm's responses to begin their own."""
    return [arm for arm in arms if not study.begun_by(arm)]


def _begun_jobs(study: Study, jobs: Sequence[Job]) -> list[Job]:
    """The jobs that sample arms whose responses begin as another arm's do, each after what makes what it needs."""
    made: list[Job] = []
    depths = {arm.name: len(study.begun_by(arm)) for arm in study.arms}
    for depth in range(1, max(depths.values()) + 1):
        waiting = [arm for arm in study.arms if depths[arm.name] == depth]
        for number, group in enumerate(batches(study, waiting)):
            needed = {product for arm in group for product in _needed(study, arm)}
            after = [job.name for job in [*jobs, *made] if needed & set(job.products)]
            made.append(_benchmark_job(study, f"begun-{depth}-{number}", group, after))
    return made


def _needed(study: Study, arm: Arm) -> list[str]:
    """The files that an arm with a prefill is sampled with: traces of another arm, an adapter, a training set."""
    own = [adapter(study.learner(arm).name)] if study.adapter_of(arm) else []
    return [benchmark_traces(arm.prefill.arm), *own, *([training_set(arm.name)] if arm.data and not own else [])]


def plot_tasks(study: Study) -> list[PlotTask]:
    """The arms of a study that are reported."""
    return [_plot_task(study, arm, study.learner(arm)) for arm in study.arms if arm.reported]


def _plot_task(study: Study, arm: Arm, learner: Arm) -> PlotTask:
    """An arm to be plotted; `learner` is the one whose training made its adapter, itself but for a checkpoint."""
    compared = arm.checkpoint or study.kept_epochs(arm)
    return PlotTask(
        name=arm.name,
        model=arm.model or arm.name,
        n_train=learner.data.size if learner.trained else 0,
        data=learner.data.source if learner.data else "",
        traces=benchmark_traces(arm.name),
        adapter=study.adapter_of(arm),
        training_set=training_set(learner.name) if learner.trained else "",
        condition=arm.condition.of if arm.condition else {},
        foretold=arm.condition.foretold if arm.condition else "",
        epoch=(arm.checkpoint.epoch if arm.checkpoint else study.lora_of(arm).epochs) if compared else 0,
        own=study.own_of(arm),
    )


def _plot_job(study: Study, after: list[str]) -> Job:
    settings = {
        "run_dir": study.run_dir,
        "study": study.title,
        "problems": study.problems.benchmark.model_dump() if study.problems.benchmark else {},
        "label_corrections": study.problems.label_corrections,
        "main_arm": study.main_arm,
        "deviations": study.deviations,
        "published": study.published.model_dump(),
    }
    return Job(PLOT, PLOT, plot_tasks(study), settings, after, [table("arms")], study.jobs.request())


def _import_job(study: Study) -> Job:
    tasks = [
        ImportTask(name=one.name, traces=traces(one.name), imported=one.imported)
        for ones, traces in ((study.arms, benchmark_traces), (study.training_traces, training_traces))
        for one in ones
        if one.imported
    ]
    settings = {"run_dir": study.run_dir, "problems": {}}
    products = [task.traces for task in tasks]
    return Job(f"{GENERATE}-imported", GENERATE, tasks, settings, [], products, study.jobs.request())


def study_jobs(study: Study, gpus: int = 0) -> list[Job]:
    """All jobs of a study, each after those it waits for, cut so that arms are trained on `gpus` side by side."""
    jobs = []
    imported = any(one.imported for one in [*study.arms, *study.training_traces])
    plain = [arm for arm in _at_once(study, study.arms) if not arm.imported and not arm.data and not arm.checkpoint]
    shown = [arm for arm in _at_once(study, study.arms) if arm.data and arm.use == "examples"]
    trained = [arm for arm in study.arms if arm.trained]
    if imported:
        jobs.append(_import_job(study))
    jobs += _training_jobs(study)
    if any(arm.data for arm in study.arms):
        jobs.append(_curate_job(study, [job.name for job in jobs]))
    for number, group in enumerate(batches(study, plain)):
        jobs.append(_benchmark_job(study, f"plain-{number}", group, []))
    for number, group in enumerate(batches(study, shown)):
        jobs.append(_benchmark_job(study, f"examples-{number}", group, [CURATE]))
    number = 0
    for place, ((_, _, engine), group) in enumerate(_by_base(study, trained).items()):
        size = min(study.jobs.arms_per_job, -(-len(group) // gpus)) if gpus else study.jobs.arms_per_job
        training: list[str] = []
        for arms in chunks(group, size):
            jobs.append(_train_job(study, number, arms))
            training.append(jobs[-1].name)
            if not engine:
                if sampled := _at_once(study, study.sampled_with(arms)):
                    jobs.append(_benchmark_job(study, f"trained-{number}", sampled, training[-1:]))
            number += 1
        if engine and (sampled := _at_once(study, study.sampled_with(group))):
            jobs.append(_benchmark_job(study, f"trained-engine-{place}", sampled, training))
    jobs += _begun_jobs(study, jobs)
    if any(arm.reported for arm in study.arms):
        jobs.append(_plot_job(study, [job.name for job in jobs if job.notebook in (GENERATE, FINETUNE)]))
    return jobs


def plotted_arms(run_dir: Path) -> list[dict[str, Any]]:
    """The arms of the study that a run directory is of, as notebook 04 takes them. Raises BadInput without a study."""
    return [task.model_dump() for task in plot_tasks(load_study(run_dir / STUDY))]
