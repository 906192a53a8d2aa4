"""The jobs of a study: which notebook runs with which parameters, after which others. The Snakefile runs them.

training traces ─► curate ─► fine-tune ─► benchmark traces ─► plot
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from longcot.curation.task import CurateTask
from longcot.files.run_directory import adapter, benchmark_traces, table, training_set, training_traces
from longcot.files.strict import Strict
from longcot.qlora.likelihoods import LikelihoodTask
from longcot.qlora.task import TrainTask
from longcot.run.expected import dealt, reckoned_seconds
from longcot.run.tasks import benchmark_task, plot_tasks, teacher_task
from longcot.sampling.importing import ImportTask
from longcot.sampling.task import SampleTask
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.cluster import GpuRequest
from longcot.study.study import Study

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
    It has its GPU together with at most `per_gpu` - 1 other jobs.
    """

    name: str
    notebook: str
    tasks: Sequence[Strict]
    settings: dict[str, Any]
    after: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    request: GpuRequest = GpuRequest()
    per_gpu: int = 1

    @property
    def parameters(self) -> dict[str, Any]:
        """The notebook's parameters as plain data."""
        given: dict[str, list] = {"tasks": []}
        for task in self.tasks:
            given.setdefault("imports" if isinstance(task, ImportTask) else "tasks", []).append(task.model_dump())
        return self.settings | given


def batches(study: Study, arms: Sequence[Arm] | Sequence[TrainingTraces]) -> list[list[Any]]:
    """The arms (or training traces) in jobs of one base each, since a job loads its weights once.

    Only where they are sampled parts arms of one base. An engine is started once for all of them, on all GPUs.
    """
    groups = _by_base(study, arms).items()
    return [job for (_, _, engine), group in groups for job in ([group] if engine else _dealt(study, group))]


def _dealt(study: Study, arms: Sequence[Any], side_by_side: int = 1) -> list[list[Any]]:
    """Arms of one base in as few jobs as it takes, or the next multiple of `side_by_side`, which take about as long."""
    least = -(-len(arms) // study.jobs.arms_per_job)
    count = min(-(-least // side_by_side) * side_by_side, len(arms))
    return dealt(arms, count, study.jobs.arms_per_job, lambda arm: reckoned_seconds(study, arm))


def _base(study: Study, arm: Arm | TrainingTraces) -> tuple:
    """An arm's base, whether it is sampled by the job itself, and its engine."""
    model = study.models[arm.model]
    return model.base, model.server is None, model.engine


def _by_base(study: Study, arms: Sequence[Arm] | Sequence[TrainingTraces]) -> dict[tuple, list[Any]]:
    """The arms by their base."""
    same: dict[tuple, list[Any]] = {}
    for arm in arms:
        same.setdefault(_base(study, arm), []).append(arm)
    return same


def _same_engine(study: Study, arms: Sequence[Arm], others: Sequence[Arm | TrainingTraces]) -> list[Arm]:
    """The arms for which no engine need be started that is not started for the others."""
    engines = {_base(study, other) for other in others if study.models[other.model].engine}
    return [arm for arm in arms if _base(study, arm) in engines]


def _generate(study: Study, name: str, problems: Any, tasks: list[SampleTask], after: list[str]) -> Job:
    settings = {"run_dir": study.run_dir, "problems": problems.model_dump(), "threads": study.jobs.threads}
    settings["job"] = name
    request = study.jobs.request(None if all(task.server for task in tasks) else study.jobs.sampling)
    return Job(f"{GENERATE}-{name}", GENERATE, tasks, settings, after, [task.traces for task in tasks], request)


def on_gpus(jobs: Sequence[Job], count: int, per_gpu: int = 1) -> list[Job]:
    """The jobs with the GPUs of this machine to ask for, of which there are `count`, where the study asks for none.

    One, shared by `per_gpu` jobs, for what is sampled in process, trained or measured by a base; all for an engine,
    whose replicas take what there is.
    """
    asking = []
    for job in jobs:
        engine = any(isinstance(task, SampleTask) and task.engine for task in job.tasks)
        trains = any(isinstance(task, TrainTask) for task in job.tasks)
        local = any(isinstance(task, SampleTask) and not task.server for task in job.tasks)
        measures = bool(job.settings.get("likelihood"))
        wanted = (count if engine else 1) if trains or local or measures else None
        own = job.request.gpus or wanted
        request = job.request.model_copy(update={"gpus": own if count else None})
        shared = request.gpus == 1 and not engine and not job.request.gpus
        asking.append(replace(job, request=request, per_gpu=per_gpu if shared else 1))
    return asking


def _training_jobs(study: Study, teachers: Sequence[TrainingTraces], plain: Sequence[Arm]) -> list[Job]:
    """The jobs of teachers; the `plain` arms, asked the benchmark's problems, are sampled by the engines of these."""
    jobs = []
    for number, group in enumerate(batches(study, teachers)):
        tasks = [teacher_task(study, one) for one in group]
        arms = _same_engine(study, plain, group)
        benchmark = {"problems": study.problems.benchmark}
        tasks += [benchmark_task(study, arm).model_copy(update=benchmark) for arm in arms]
        name = f"training-{'and-plain-' if arms else ''}{number}"
        jobs.append(_generate(study, name, study.problems.train, tasks, []))
    return jobs


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
        "likelihood": _likelihood(study).model_dump() if study.likelihood_model else {},
        "tokenizer": next((study.models[arm.model].path for arm in study.arms if arm.data and arm.model), ""),
        "study": study.title,
        "deviations": [] if any(arm.reported for arm in study.arms) else study.deviations,  # else notebook 04 has them
    }
    request = study.jobs.request(study.jobs.training if study.likelihood_model else None)
    return Job(CURATE, CURATE, tasks, settings, after, [task.training_set for task in tasks], request)


def _likelihood(study: Study) -> LikelihoodTask:
    base = study.models[study.likelihood_model].base
    return LikelihoodTask(base=base, dtype=study.lora.compute_dtype, prompt=study.prompt)


def _benchmark_job(study: Study, name: str, arms: Sequence[Arm], after: list[str]) -> Job:
    tasks = [benchmark_task(study, arm) for arm in arms]
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


def study_jobs(study: Study, side_by_side: int | None = None) -> list[Job]:
    """All jobs of a study, each after those it waits for.

    `side_by_side` is how many run at once on the one machine that runs it: what follows the choice of traces is cut so
    that it keeps all of it busy, few starts being better than many small jobs, and what is sampled by one engine
    shares its starts, since engines have the machine one after another. None: a cluster's, whose jobs have a machine
    each, so that none is made to wait for what another could do.
    """
    jobs = []
    imported = any(one.imported for one in [*study.arms, *study.training_traces])
    teachers = [one for one in study.training_traces if one.model]
    plain = [arm for arm in _at_once(study, study.arms) if not arm.imported and not arm.data and not arm.checkpoint]
    shown = [arm for arm in _at_once(study, study.arms) if arm.data and arm.use == "examples"]
    trained = [arm for arm in study.arms if arm.trained]
    early = _same_engine(study, plain, teachers) if side_by_side is not None else []  # on the starts of teachers
    others = [*(arm for arm in plain if arm not in early), *shown]
    late = _same_engine(study, others, trained) if side_by_side is not None else []  # on those of fine-tuned arms
    if side_by_side:  # where no engine is started, beside fine-tuned arms
        late += [arm for arm in shown if not study.models[arm.model].engine]
    later = [arm for arm in study.arms if arm.trained or arm in late and not study.models[arm.model].engine]
    if imported:
        jobs.append(_import_job(study))
    jobs += _training_jobs(study, teachers, early)
    if any(arm.data for arm in study.arms):
        jobs.append(_curate_job(study, [job.name for job in jobs]))
    for number, group in enumerate(batches(study, [arm for arm in plain if arm not in [*early, *late]])):
        jobs.append(_benchmark_job(study, f"plain-{number}", group, []))
    for number, group in enumerate(batches(study, [arm for arm in shown if arm not in late])):
        jobs.append(_benchmark_job(study, f"examples-{number}", group, [CURATE]))
    number = 0
    for place, ((_, _, engine), group) in enumerate(_by_base(study, later).items()):
        training: list[str] = []
        for arms in _dealt(study, group, side_by_side or 1):
            if own := [arm for arm in arms if arm.trained]:
                jobs.append(_train_job(study, number, own))
                training.append(jobs[-1].name)
            if not engine:
                sampled = [*(arm for arm in arms if not arm.trained), *_at_once(study, study.sampled_with(own))]
                if sampled:
                    after = training[-1:] if own else [CURATE]
                    jobs.append(_benchmark_job(study, f"trained-{number}", sampled, after))
            number += 1
        if engine and (sampled := [*_same_engine(study, late, group), *_at_once(study, study.sampled_with(group))]):
            jobs.append(_benchmark_job(study, f"trained-engine-{place}", sampled, training))
    jobs += _begun_jobs(study, jobs)
    if any(arm.reported for arm in study.arms):
        jobs.append(_plot_job(study, [job.name for job in jobs if job.notebook in (GENERATE, FINETUNE)]))
    return jobs
