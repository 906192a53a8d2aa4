"""The jobs of a study: which notebook runs with which parameters, after which others. The Snakefile runs them.

training traces ─► curate ─► fine-tune ─► benchmark traces ─► plot
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longcot.files.run_directory import benchmark_traces, training_set, training_traces
from longcot.files.writing import write_json
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.cluster import GpuRequest
from longcot.study.reading import load_study
from longcot.study.study import Model, Study


@dataclass(frozen=True)
class Job:
    """One run of a notebook. `after` names the jobs it waits for; `products` lie in the run directory.

    `request` is what it asks a cluster for.
    """

    name: str
    notebook: str
    parameters: dict[str, Any]
    after: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    request: GpuRequest = GpuRequest()


def chunks(arms: Sequence[Any], size: int) -> list[list[Any]]:
    """The arms in as few jobs of at most `size` as it takes, dealt out in turn so that long ones spread."""
    count = -(-len(arms) // size)
    return [list(arms[start::count]) for start in range(count)]


def batches(study: Study, arms: Sequence[Arm | TrainingTraces]) -> list[list[Any]]:
    """The arms (or training traces) in jobs of one base each, since a job loads its weights once; then in chunks."""
    same: dict[tuple, list[Any]] = {}
    for arm in arms:
        model = study.models[arm.model]
        same.setdefault((*_base(model).values(), model.context, model.server is None), []).append(arm)
    return [chunk for group in same.values() for chunk in chunks(group, study.jobs.arms_per_job)]


def _base(model: Model) -> dict[str, Any]:
    trusted = {"trust_remote_code": True} if model.trust_remote_code else {}
    return {"path": model.path, "revision": model.revision, "precision": model.precision} | trusted


def _sampled(study: Study, model_name: str, name: str, style: str, traces: str, adapter: str = "") -> dict[str, Any]:
    """What notebook 01 is told of a model that it samples.

    A server knows an adapter by the name of the arm (or of the model in the study that is one), and a base by its name
    in the study. Keys that say nothing are left out.
    """
    model = study.models[model_name]
    adapter = adapter or model.adapter
    row = {"name": name, **_base(model), "adapter": adapter, "style": style, "traces": traces}
    if model.context:
        row["context"] = model.context
    if model.server:
        row["server"] = model.server.model_dump()
        row["served_as"] = (model_name if model.adapter == adapter else name) if adapter else model_name
    return row


def _condition(arm: Arm) -> dict[str, Any]:
    return {"condition": arm.condition.of} if arm.condition else {}


def _generate(study: Study, name: str, problems: Any, arms: list[dict[str, Any]], after: list[str]) -> Job:
    parameters = {
        "run_dir": study.run_dir,
        "problems": problems.model_dump(),
        "arms": arms,
        "sampling": study.sampling.model_dump(),
        "prompt": study.prompt.model_dump(),
        "dtype": study.lora.compute_dtype,
        "threads": study.jobs.threads,
    }
    request = study.jobs.request(None if all("server" in arm for arm in arms) else study.jobs.sampling)
    products = [arm["traces"] for arm in arms]
    return Job(f"01_generate_traces-{name}", "01_generate_traces", parameters, after, products, request)


def _training_jobs(study: Study) -> list[Job]:
    jobs = []
    sampled = [one for one in study.training_traces if one.model]
    for number, group in enumerate(batches(study, sampled)):
        rows = []
        for one in group:
            row = _sampled(study, one.model, one.name, one.style, training_traces(one.name))
            row |= {"samples": one.samples} | ({"edits": one.edits} if one.edits else {})
            rows.append(row | ({} if one.temperature is None else {"temperature": one.temperature}))
        jobs.append(_generate(study, f"training-{number}", study.problems.train, rows, []))
    return jobs


def _curate_job(study: Study, after: list[str]) -> Job:
    arms = [
        {"name": arm.name, "use": arm.use, "training_set": training_set(arm)}
        | {"traces": training_traces(arm.data.teacher)}
        | arm.data.model_dump()
        | _condition(arm)
        for arm in study.arms
        if arm.data
    ]
    parameters = {
        "run_dir": study.run_dir,
        "problems": study.problems.train.model_dump() if study.problems.train else {},
        "arms": arms,
        "benchmark": study.problems.benchmark.model_dump() if "decontaminated" in str(arms) else {},
        "difficulty_traces": training_traces(study.difficulty_model) if study.difficulty_model else "",
        "prompt": study.prompt.model_dump(),
        "tokenizer": next((study.models[arm.model].path for arm in study.arms if arm.data and arm.model), ""),
        "study": study.title,
        "deviations": [] if any(arm.reported for arm in study.arms) else study.deviations,  # else notebook 04 has them
    }
    products = [arm["training_set"] for arm in arms]
    return Job("02_analyze_curation", "02_analyze_curation", parameters, after, products, study.jobs.request())


def _benchmark_job(study: Study, name: str, arms: Sequence[Arm], after: list[str]) -> Job:
    rows = []
    for arm in arms:
        trained = f"{study.run_dir}/adapters/{arm.name}" if arm.trained else ""
        row = _sampled(study, arm.model, arm.name, arm.style, benchmark_traces(arm), trained)
        rows.append(row | ({"examples": training_set(arm)} if arm.data and not arm.trained else {}))
    return _generate(study, f"benchmark-{name}", study.problems.benchmark, rows, after)


def _plot_job(study: Study, after: list[str]) -> Job:
    arms = [
        {
            "name": arm.name,
            "model": arm.model or arm.name,
            "n_train": arm.data.n if arm.trained else 0,
            "data": arm.data.teacher if arm.data else "",
            "traces": benchmark_traces(arm),
            "adapter": f"adapters/{arm.name}" if arm.trained else "",
            "training_set": training_set(arm) if arm.trained else "",
        }
        | _condition(arm)
        for arm in study.arms
        if arm.reported
    ]
    parameters = {
        "run_dir": study.run_dir,
        "study": study.title,
        "arms": arms,
        "problems": study.problems.benchmark.model_dump() if study.problems.benchmark else {},
        "label_corrections": study.problems.label_corrections,
        "main_arm": study.main_arm,
        "deviations": study.deviations,
        "published": study.published.model_dump(),
    }
    products, request = ["tables/arms.csv"], study.jobs.request()
    return Job("04_plot_evaluation", "04_plot_evaluation", parameters, after, products, request)


def _import_job(study: Study) -> Job:
    rows = [
        {"name": one.name, "traces": traces(one)} | one.imported.model_dump()
        for ones, traces in (
            (study.arms, benchmark_traces),
            (study.training_traces, lambda one: training_traces(one.name)),
        )
        for one in ones
        if one.imported
    ]
    parameters = {"run_dir": study.run_dir, "problems": {}, "arms": [], "imported": rows}
    products, request = [row["traces"] for row in rows], study.jobs.request()
    return Job("01_generate_traces-imported", "01_generate_traces", parameters, [], products, request)


def study_jobs(study: Study) -> list[Job]:
    """All jobs of a study, each after those it waits for."""
    jobs = []
    imported = any(one.imported for one in [*study.arms, *study.training_traces])
    plain = [arm for arm in study.arms if not arm.imported and not arm.data]
    shown = [arm for arm in study.arms if arm.data and arm.use == "examples"]
    trained = [arm for arm in study.arms if arm.trained]
    if imported:
        jobs.append(_import_job(study))
    jobs += _training_jobs(study)
    if any(arm.data for arm in study.arms):
        jobs.append(_curate_job(study, [job.name for job in jobs]))
    curated = ["02_analyze_curation"]
    for number, group in enumerate(batches(study, plain)):
        jobs.append(_benchmark_job(study, f"plain-{number}", group, []))
    for number, group in enumerate(batches(study, shown)):
        jobs.append(_benchmark_job(study, f"examples-{number}", group, curated))
    for number, group in enumerate(batches(study, trained)):
        rows = [
            {"name": arm.name, "training_set": training_set(arm), "adapter": f"adapters/{arm.name}"}
            | _base(study.models[arm.model])
            for arm in group
        ]
        parameters = {
            "run_dir": study.run_dir,
            "arms": rows,
            "lora": study.lora.model_dump(),
            "threads": study.jobs.threads,
        }
        products, request = [row["adapter"] for row in rows], study.jobs.request(study.jobs.training)
        job = Job(f"03_finetune_qlora-{number}", "03_finetune_qlora", parameters, curated, products, request)
        jobs += [job, _benchmark_job(study, f"trained-{number}", group, [job.name])]
    if any(arm.reported for arm in study.arms):
        jobs.append(_plot_job(study, [job.name for job in jobs if job.notebook.startswith(("01", "03"))]))
    return jobs


RESOURCES = {  # our names, and those of Snakemake and of its executor for Slurm
    "memory_mb": "mem_mb",
    "gpus": "gpu",
    "runtime_minutes": "runtime",
    "partition": "slurm_partition",
    "account": "slurm_account",
}


def write_jobs(jobs: Sequence[Job], threads: int, path: Path) -> None:
    """The jobs in a file, for the Snakefile and for `longcot.notebooks`: a process of a job reads no study.

    A job is `{name, notebook, parameters, after, products, threads, resources}`.
    """
    rows = []
    for job in jobs:
        asked = job.request.model_dump(exclude_none=True)
        row = {key: value for key, value in vars(job).items() if key != "request"}
        rows.append(row | {"threads": threads, "resources": {RESOURCES[key]: asked[key] for key in asked}})
    write_json(path, rows)


def plotted_arms(run_dir: Path) -> list[dict[str, Any]]:
    """The arms of the study that a run directory is of, as notebook 04 takes them. Raises BadInput without a study."""
    return study_jobs(load_study(run_dir / "study.yaml"))[-1].parameters["arms"]
