"""The arms and teachers of a study as tasks of the notebooks that sample and plot them."""

from typing import Any

from longcot.figures.task import PlotTask
from longcot.files.run_directory import benchmark_traces, training_set, training_traces
from longcot.sampling.task import SampleTask
from longcot.study.arms import Arm, TrainingTraces
from longcot.study.study import Study


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


def teacher_task(study: Study, teacher: TrainingTraces) -> SampleTask:
    """How a teacher is sampled on the training problems."""
    own = {"samples": teacher.samples}
    own |= {} if teacher.temperature is None else {"temperature": teacher.temperature}
    how = {"style": teacher.style, "edits": teacher.edits, "traces": training_traces(teacher.name)}
    how |= {"sampling": study.sampling.model_copy(update=own), "prompt": study.prompt, "own": own}
    return _sample_task(study, teacher.model, teacher.name, "", **how)


def benchmark_task(study: Study, arm: Arm) -> SampleTask:
    """How an arm is sampled on the benchmark."""
    own = study.adapter_of(arm)
    folder = f"{study.run_dir}/{own}" if own else ""
    how = {"style": arm.style, "traces": benchmark_traces(arm.name)}
    how |= {"examples": training_set(arm.name) if arm.data and not arm.trained else ""}
    how |= {"sampling": study.sampling_of(arm), "prompt": study.prompt_of(arm), "prefill": arm.prefill}
    how |= {"prefill_traces": benchmark_traces(arm.prefill.arm) if arm.prefill and arm.prefill.arm else ""}
    how |= {"own": {name: said for name, said in arm.own.items() if name not in ("lora", "loss", "transform")}}
    return _sample_task(study, arm.model, arm.name, folder, **how)


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
