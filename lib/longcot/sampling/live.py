"""Live curves: loss and accuracy as they come, shown in TensorBoard through transformers' own callback for it.

A study asks for it by `log_to`. It is read from the run directory, so it enters no task and no recipe: no result
depends on it. Where nothing is asked, nothing is imported. Nothing leaves the machine; TensorBoard's files name it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from longcot.files.errors import BadInput
from longcot.files.run_directory import STUDY, curves

if TYPE_CHECKING:
    from longcot.traces.trace import Trace

Tracker = Literal["tensorboard"]


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

    `callbacks` are transformers', for its Trainer; the files lie in `curves/<name>` of the run directory.
    """

    def __init__(self, run_dir: Path, name: str):
        names = trackers(run_dir)
        check_trackers(names)
        self._folder = run_dir / curves(name)
        self.callbacks = [self._tensorboard() for _ in names]
        self._counts: dict[str, Counter[str]] = {}

    def _tensorboard(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return TensorBoardCallback(SummaryWriter(str(self._folder)))

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
        for callback in self.callbacks:
            callback.on_train_end(None, None, None)
