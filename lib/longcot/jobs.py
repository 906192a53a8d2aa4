"""The jobs of a study: which notebook runs with which parameters, after which others. The Snakefile runs them.

training traces ─► curate ─► fine-tune ─► benchmark traces ─► plot
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longcot.study import Arm, Model, Study, load_study


@dataclass(frozen=True)
class Job:
    """One run of a notebook. `after` names the jobs it waits for; `products` lie in the run directory."""

    name: str
    notebook: str
    parameters: dict[str, Any]
    after: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)


def chunks(arms: Sequence[Any], size: int) -> list[list[Any]]:
    """The arms in as few jobs of at most `size` as it takes, dealt out in turn so that long ones spread."""
    count = -(-len(arms) // size)
    return [list(arms[start::count]) for start in range(count)]


def _model(model: Model) -> dict[str, Any]:
    return {"path": model.path, "precision": model.precision}


def training_set(arm: Arm) -> str:
    """The file of an arm's chosen traces, in the run directory."""
    return f"training_sets/{arm.name}.jsonl"


def benchmark_traces(arm: Arm) -> str:
    """The file of an arm's benchmark traces, in the run directory."""
    return f"traces/{arm.name}/benchmark.jsonl"


def training_traces(model: str) -> str:
    """The file of a model's traces on the training problems, in the run directory."""
    return f"traces/{model}/training.jsonl"


def _adapter(study: Study, arm: Arm) -> str:
    """The adapter that an arm is sampled with, relative to the project."""
    return f"{study.run_dir}/adapters/{arm.name}" if arm.trained else study.models[arm.model].adapter


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
    return Job(f"01_generate_traces-{name}", "01_generate_traces", parameters, after, [arm["traces"] for arm in arms])


def _training_jobs(study: Study) -> list[Job]:
    jobs = []
    for number, group in enumerate(chunks(study.training_traces, study.jobs.arms_per_job)):
        arms = []
        for teacher in group:
            model = study.models[teacher.model]
            traces = training_traces(teacher.model)
            arms.append(
                {"name": teacher.model, "adapter": model.adapter, "samples": teacher.samples, "traces": traces}
                | _model(model)
            )
        jobs.append(_generate(study, f"training-{number}", study.problems.train, arms, []))
    return jobs


def _curate_job(study: Study, after: list[str]) -> Job:
    arms = [
        {"name": arm.name, "use": arm.use, "training_set": training_set(arm)}
        | {"traces": training_traces(arm.data.teacher)}
        | arm.data.model_dump()
        for arm in study.arms
        if arm.data
    ]
    parameters = {
        "run_dir": study.run_dir,
        "problems": study.problems.train.model_dump(),
        "arms": arms,
        "difficulty_traces": training_traces(study.difficulty_model) if study.difficulty_model else "",
        "prompt": study.prompt.model_dump(),
    }
    products = [arm["training_set"] for arm in arms]
    return Job("02_analyze_curation", "02_analyze_curation", parameters, after, products)


def _benchmark_job(study: Study, name: str, arms: Sequence[Arm], after: list[str]) -> Job:
    rows = []
    for arm in arms:
        row = {"name": arm.name, "adapter": _adapter(study, arm), "traces": benchmark_traces(arm)}
        if arm.data and not arm.trained:
            row["examples"] = training_set(arm)
        rows.append(row | _model(study.models[arm.model]))
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
        }
        for arm in study.arms
    ]
    parameters = {
        "run_dir": study.run_dir,
        "study": study.title,
        "arms": arms,
        "problems": study.problems.benchmark.model_dump() if study.problems.benchmark else {},
        "main_arm": study.main_arm,
        "deviations": study.deviations,
    }
    return Job("04_plot_evaluation", "04_plot_evaluation", parameters, after, ["tables/arms.csv"])


def _import_job(study: Study, arms: Sequence[Arm]) -> Job:
    rows = [{"name": arm.name, "traces": benchmark_traces(arm)} | arm.imported.model_dump() for arm in arms]
    parameters = {"run_dir": study.run_dir, "problems": {}, "arms": [], "imported": rows}
    return Job("01_generate_traces-imported", "01_generate_traces", parameters, [], [row["traces"] for row in rows])


def study_jobs(study: Study) -> list[Job]:
    """All jobs of a study, each after those it waits for."""
    size, jobs = study.jobs.arms_per_job, []
    imported = [arm for arm in study.arms if arm.imported]
    plain = [arm for arm in study.arms if not arm.imported and not arm.data]
    shown = [arm for arm in study.arms if arm.data and not arm.trained]
    trained = [arm for arm in study.arms if arm.trained]
    if imported:
        jobs.append(_import_job(study, imported))
    jobs += _training_jobs(study)
    if shown or trained:
        jobs.append(_curate_job(study, [job.name for job in jobs if "-training-" in job.name]))
    curated = ["02_analyze_curation"]
    for number, group in enumerate(chunks(plain, size) if plain else []):
        jobs.append(_benchmark_job(study, f"plain-{number}", group, []))
    for number, group in enumerate(chunks(shown, size) if shown else []):
        jobs.append(_benchmark_job(study, f"examples-{number}", group, curated))
    for number, group in enumerate(chunks(trained, size) if trained else []):
        rows = [
            {"name": arm.name, "training_set": training_set(arm), "adapter": f"adapters/{arm.name}"}
            | _model(study.models[arm.model])
            for arm in group
        ]
        parameters = {
            "run_dir": study.run_dir,
            "arms": rows,
            "lora": study.lora.model_dump(),
            "threads": study.jobs.threads,
        }
        job = Job(
            f"03_finetune_qlora-{number}", "03_finetune_qlora", parameters, curated, [row["adapter"] for row in rows]
        )
        jobs += [job, _benchmark_job(study, f"trained-{number}", group, [job.name])]
    jobs.append(_plot_job(study, [job.name for job in jobs if job.notebook.startswith(("01", "03"))]))
    return jobs


def plotted_arms(run_dir: Path) -> list[dict[str, Any]]:
    """The arms of the study that a run directory is of, as notebook 04 takes them. Raises BadInput without a study."""
    return study_jobs(load_study(run_dir / "study.yaml"))[-1].parameters["arms"]
