"""Live curves: loss and accuracy as they come, in TensorBoard, trackio or W&B through transformers' own callbacks.

A study asks for it by `log_to`. It is read from the run directory, so it enters no task and no recipe: no result
depends on it. Where nothing is asked, nothing is imported. TensorBoard's files (in the run) and trackio's data (in its
own folder, or `TRACKIO_DIR`) stay on the machine; W&B sends what it logs, but with `WANDB_MODE=offline`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import yaml

from longcot.files.errors import BadInput
from longcot.files.run_directory import STUDY, curves

if TYPE_CHECKING:
    from longcot.traces.trace import Trace

Tracker = Literal["tensorboard", "trackio", "wandb"]


def check_trackers(names: Sequence[str]) -> None:
    """Raises BadInput where the package of one is not installed."""
    for name in names:
        if not find_spec(name):
            raise BadInput(f"log_to: {name} is not installed; run .venv/bin/pip install {name}, or leave it out")


def trackers(run_dir: Path) -> list[str]:
    """Where the study of a run directory shows its curves; nowhere without a study."""
    file = run_dir / STUDY
    study = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return list(study.get("log_to") or [])


class Curves:
    """The curves of one arm's training or sampling, `name`; as a context manager it ends them.

    `callbacks` are transformers', for its Trainer; the files lie in `curves/<name>` of the run directory. In trackio
    and W&B the run directory is the project (W&B: unless `WANDB_PROJECT` names one) and the arm's work a run of it.
    """

    def __init__(self, run_dir: Path, name: str):
        names = trackers(run_dir)
        check_trackers(names)
        self._folder, self._project, self._name = run_dir / curves(name), run_dir.name, name
        self._ends: list[Callable[[], None]] = []
        make = {"tensorboard": self._tensorboard, "trackio": self._trackio, "wandb": self._wandb}
        self.callbacks = [make[one]() for one in names]
        self._counts: dict[str, Counter[str]] = {}

    def _tensorboard(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return TensorBoardCallback(SummaryWriter(str(self._folder)))

    def _trackio(self) -> Any:
        from transformers.integrations import TrackioCallback

        project, name = self._project, self._name
        quiet = {"auto_log_cpu": False, "auto_log_gpu": False}  # the machine is not asked about

        class Callback(TrackioCallback):
            def setup(self, args: Any, state: Any, model: Any, **kwargs: Any) -> None:  # its own embeds a dashboard
                self._trackio.init(project=project, name=name, resume="allow", embed=False, **quiet)
                self._initialized = True

        return Callback()

    def _wandb(self) -> Any:
        import wandb
        from transformers.integrations import WandbCallback

        self._folder.mkdir(parents=True, exist_ok=True)
        given = {"project": os.environ.get("WANDB_PROJECT", self._project), "name": self._name}
        quiet = wandb.Settings(silent=True, console="off")  # else its widgets and what is printed go to the notebook
        try:  # a run of its own: arms that are sampled side by side would share the process's
            run = wandb.init(**given, dir=str(self._folder), reinit="create_new", settings=quiet)
        except wandb.Error as error:
            told = str(error).splitlines()[0].rstrip(".")
            raise BadInput(
                f"log_to: wandb: {told}; run .venv/bin/wandb login, or set WANDB_MODE=offline, or leave it out"
            ) from None
        own = {name: getattr(run, name) for name in ("config", "define_metric", "log", "watch")}
        callback = WandbCallback()
        callback._wandb = SimpleNamespace(**vars(wandb) | own | {"run": run})
        self._ends.append(run.finish)
        return callback

    def __enter__(self) -> "Curves":
        return self

    def count(self, traces: Iterable["Trace"]) -> None:
        """Graded traces that are on disk already: they count, and are no points of the curves."""
        for trace in traces if self.callbacks else ():
            counts = self._counts.setdefault(trace.stage, Counter())
            counts.update(traces=1, accuracy=bool(trace.correct), finished=bool(trace.finished))

    def add(self, traces: Sequence["Trace"]) -> None:
        """Graded traces of one stage, as they come: `eval/accuracy` and `eval/finished`, shares of all so far, by
        their number. Those of an edit pass are curves of their own, by its name.
        """
        if not self.callbacks or not traces:
            return
        from transformers import TrainerControl, TrainerState, TrainingArguments

        self.count(traces)
        stage, counts = traces[0].stage, self._counts[traces[0].stage]
        of = f"eval_{stage}/" if stage else "eval_"  # the callbacks part curves by what their names begin with
        shares = {f"{of}{key}": counts[key] / counts["traces"] for key in ("accuracy", "finished")}
        about = TrainingArguments(output_dir=str(self._folder), use_cpu=True, report_to="none")
        for callback in self.callbacks:
            callback.on_log(about, TrainerState(global_step=counts["traces"]), TrainerControl(), logs=dict(shares))

    def __exit__(self, *_: object) -> None:
        if not self.callbacks:
            return
        from transformers import TrainerState

        for callback in self.callbacks:
            callback.on_train_end(None, TrainerState(), None)
        for end in self._ends:
            end()
