"""The stages of a study at their smallest size, each a process of its own that is to be killed by `kill.py`.

`python tests/faults/stages.py STAGE FOLDER EVENT DELAY`: prints `ready` when all is imported, then works in FOLDER, a
run directory; in the end prints how many file operations in it there were, and the seconds. With EVENT above 0 it kills
itself at that operation, or DELAY seconds after it has begun, as often as not within the writing.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

sys.path.append(str(Path(__file__).parents[1]))  # tests/, for the made-up study

from longcot.files.manifest import manifest_path
from longcot.files.paths import ROOT
from longcot.problems.problem import Problem
from longcot.problems.sources import load_problems
from longcot.traces.trace import Trace, write_traces

WEIGHTS = "lib/longcot/miniature/weights/world1"
PROMPT = {"template": "{problem}", "system": None}
ADAPTER = f"{WEIGHTS}/reasoner"
BASE = {"path": f"{WEIGHTS}/base", "precision": "nf4"}
SAMPLED = {"name": "a", "base": BASE, "adapter": ADAPTER, "traces": "traces/a.jsonl", "prompt": PROMPT}
SAMPLED |= {"sampling": {"max_tokens": 80, "samples": 2, "batch_size": 2}}
IMPORTED = {
    "name": "graded",
    "traces": "traces/graded.jsonl",
    "imported": {"keys": {key: key for key in ("problem_id", "sample", "problem", "expected_answer", "text")}},
}
CURATED = {"teacher": "t", "filters": ["correct", "finished", "no_duplicate"], "n": 12, "seed": 1}
TRAINED = {"name": "x", "base": BASE, "training_set": "x.jsonl", "adapter": "adapters/x"}
TRAINED |= {"lora": {"epochs": 4, "batch_size": 2, "learning_rate": 1.0e-3, "compute_dtype": "float32"}}
ANSWERS = ("\\frac{1}{2}", "0.5", "7", "x^2+1", "1+x^2", "(1,2)", "\\sqrt{8}", "2\\sqrt{2}")


def _problems(count: int) -> list[Problem]:
    return load_problems("miniature:train", limit=count)


def _made_up(problems: list[Problem], samples: int) -> list[Trace]:
    """Traces of which every second is right, each with words of its own."""
    return [
        Trace(
            problem_id=problem.id,
            sample=sample,
            problem=problem.problem,
            expected_answer=problem.expected_answer,
            model="t",
            text=f"Sample {sample} of {problem.id}. " * 9
            + f"So \\boxed{{{problem.expected_answer if (place + sample) % 2 else ANSWERS[place % len(ANSWERS)]}}}.",
            finish_reason="stop",
            completion_tokens=40 + sample,
        )
        for place, problem in enumerate(problems)
        for sample in range(samples)
    ]


def prepare_sampling(run: Path) -> None:
    """Nothing lies there before."""


def sampling(run: Path) -> Callable[[], None]:
    """One arm with an adapter: the base dequantized and saved, six batches of two."""
    import longcot.qlora.training
    import longcot.sampling.local  # noqa: F401
    from longcot.sampling.task import SampleTask, sample_arm

    task = SampleTask.model_validate(SAMPLED)
    return lambda: sample_arm(task, _problems(6), run)


def _imported(run: Path) -> Path:
    """The imported traces, whether anew or as they lie there."""
    from longcot.sampling.importing import ImportTask, import_arm

    imported = IMPORTED["imported"] | {"source": str(run.parent / "theirs.jsonl")}
    return import_arm(ImportTask.model_validate(IMPORTED | {"imported": imported}), run)


def prepare_grading(run: Path) -> None:
    """Imported traces as an older grader left them: every third verdict is wrong."""
    from longcot.files.manifest import changing
    from longcot.traces.trace import read_traces

    write_traces(run.parent / "theirs.jsonl", _made_up(_problems(30), 20))
    file = _imported(run)
    traces = read_traces(file)
    for trace in traces[::3]:
        trace.correct = not trace.correct
    with changing(file):
        write_traces(file, traces)


def grading(run: Path) -> Callable[[], None]:
    """The traces graded again; then they must count as whole, and not be imported anew."""
    from longcot.grading.regrade import regrade_file

    def work() -> None:
        regrade_file(run / IMPORTED["traces"])
        _imported(run)

    return work


def prepare_curation(run: Path) -> None:
    """Graded traces of a teacher, and those of the difficulty model."""
    from longcot.grading.grade import grade

    write_traces(run / "traces/t.jsonl", grade(_made_up(_problems(60), 8)))
    write_traces(run / "traces/base.jsonl", grade(_made_up(_problems(60), 2)))


def curation(run: Path) -> Callable[[], None]:
    """Three training sets, chosen in three ways."""
    from longcot.curation.pool import read_pool
    from longcot.curation.task import CurateTask, curate_arms

    def work() -> None:
        tasks = [
            {"name": name, "traces": "traces/t.jsonl", "training_set": f"training_sets/{name}.jsonl", "prompt": PROMPT}
            | {"data": CURATED | {"strategy": name}}
            for name in ("random", "balanced", "longest")
        ]
        pool = read_pool(run, ["traces/t.jsonl"], _problems(60), "traces/base.jsonl")
        curate_arms([CurateTask.model_validate(task) for task in tasks], pool, "traces/base.jsonl", run)

    return work


def prepare_training(run: Path) -> None:
    """A training set of six."""
    from longcot.curation.training_set import training_rows, write_training_set

    traces = _made_up(_problems(6), 1)
    write_training_set(run / TRAINED["training_set"], training_rows(traces, {}, {}, **PROMPT))


def training(run: Path) -> Callable[[], None]:
    """One adapter, twelve steps, a checkpoint each three."""
    import longcot.qlora.training  # noqa: F401
    from longcot.qlora.task import TrainTask, train_arm

    return lambda: train_arm(TrainTask.model_validate(TRAINED), run)


def prepare_plotting(run: Path) -> None:
    """A made-up study of four arms."""
    from synthetic_study import ARMS, make_study

    make_study(run, ARMS[:4], count=32)
    (run / "problems.jsonl").replace(run.parent / "problems.jsonl")
    manifest_path(run / "traces/base/benchmark.jsonl").unlink()  # the made-up one of the report's tests


def plotting(run: Path) -> Callable[[], None]:
    """The cells of notebook 04, one after the other."""
    from synthetic_study import ARMS

    arms = [
        {"name": name, "model": model, "n_train": n, "data": data, "traces": f"traces/{name}/benchmark.jsonl"}
        for name, model, n, data, *_ in ARMS[:4]
    ]
    given = {
        "run_dir": str(run),
        "tasks": arms,
        "problems": {"source": str(run.parent / "problems.jsonl")},
        "main_arm": "base",
    }
    notebook = nbformat.read(ROOT / "notebooks/04_plot_evaluation.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    exec(cells[1].source)  # what it imports first

    def work() -> None:
        names: dict = {}
        for number, cell in enumerate(cells):
            exec(cell.source, names)
            names |= given if number == 0 else {}

    return work


STAGES = {stage.__name__: stage for stage in (sampling, grading, curation, training, plotting)}
PREPARE = {name: globals()[f"prepare_{name}"] for name in STAGES}
WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def count_events(folder: str, event: int, delay: float) -> list[int]:
    """Count file operations below a folder from now on; at the one of that number this process kills itself."""
    count = [0]

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(name: str, words: tuple) -> None:
        if name == "open":
            written = isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not (written and str(words[0]).startswith(folder)):
                return
        elif name not in WRITES or not (str(words[0]).startswith(folder) or words[-1] not in (-1, None)):
            return
        count[0] += 1
        if count[0] == event:
            threading.Timer(delay, kill).start() if delay else kill()

    sys.addaudithook(watch)
    return count


def main(words: list[str]) -> None:
    """The child: see the module's docstring."""
    stage, folder, event, delay = words[0], Path(words[1]), int(words[2]), float(words[3])
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the stage prints itself is not for kill.py
    work = STAGES[stage](folder)
    count = count_events(str(folder), event, delay)
    print("ready", file=told, flush=True)
    began = time.perf_counter()
    work()
    print(count[0], time.perf_counter() - began, file=told, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
