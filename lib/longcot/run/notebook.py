"""One run of a notebook through Papermill: parameters checked first, progress in the terminal, errors in one line."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from longcot.files.errors import BadInput, advice
from longcot.files.paths import ROOT, display_path, resolve
from longcot.files.privacy import scrubbed
from longcot.files.run_directory import JOBS, error_line, executed, notebook_source
from longcot.files.writing import write_whole, writing
from longcot.run.environment import prepare
from longcot.run.gpus import leased, pool
from longcot.run.lock import OWNER, WRITES, end_with


def _literal(path: str | Path) -> str:
    """A path for Papermill, which fills in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def check_parameters(notebook: str | Path, parameters: dict[str, Any]) -> None:
    """Reject a parameter that the notebook does not have, of which Papermill would only warn, or one of another type.

    Raises BadInput.
    """
    import papermill
    from nbformat.reader import NotJSONError

    try:
        known = papermill.inspect_notebook(_literal(notebook))
    except NotJSONError:
        raise BadInput(f"{display_path(notebook)}: not a notebook (its JSON is damaged); restore it") from None
    if not known:
        raise BadInput(
            f"{display_path(notebook)}: no cell tagged `parameters`, or no such notebook; fix the path or the tag"
        )
    for name, value in parameters.items():
        if name not in known:
            raise BadInput(f"{display_path(notebook)}: no parameter {name!r}; {advice(name, known)}")
        wanted = known[name]["inferred_type_name"]
        given = type(value).__name__
        if wanted in ("int", "float", "str", "list", "dict", "bool") and given != wanted:
            if not (wanted == "float" and given == "int"):
                raise BadInput(
                    f"{display_path(notebook)}: parameter {name} is {given} {value!r}, wanted {wanted}; fix the value"
                )


PATIENCE = 600  # seconds that a kernel on a machine that is busy with other things may take to start, or for a word


class _Lines:
    """A stream for a kernel's stderr: progress bars, which redraw their line, become lines with the job's name."""

    def __init__(self, name: str, stream: TextIO):
        self.name, self.stream, self.rest = name, stream, ""

    def write(self, text: str) -> int:
        *lines, self.rest = re.split(r"[\r\n]+", self.rest + text)
        for line in lines:
            if line.strip():
                self.stream.write(f"[{self.name}] {line}\n")
        self.stream.flush()
        return len(text)

    def flush(self) -> None:
        self.stream.flush()


def run_notebook(notebook: str | Path, output: str | Path, parameters: dict[str, Any]) -> None:
    """Execute a notebook from the project's root and keep the executed copy, also when it fails.

    Raises BadInput with the error's last line and where the executed copy lies.
    """
    import papermill

    from longcot.run.failures import one_line_errors
    from longcot.run.kernel import OwnKernel
    from longcot.run.kernel_log import ARGUMENTS

    prepare()
    check_parameters(notebook, parameters)
    output = Path(output)
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TQDM_MININTERVAL", "5")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ[WRITES] = str(resolve(parameters["run_dir"]).resolve()) if "run_dir" in parameters else ""
    os.environ["OMP_NUM_THREADS"] = str(parameters.get("threads", 1))
    # Bars are for the terminal here, not widgets; the other is between peft and transformers.
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found,ignore:`is_gradient_checkpointing`"
    with one_line_errors(output):
        papermill.execute_notebook(
            _literal(notebook),
            _literal(output),
            parameters,
            cwd=str(ROOT),
            kernel_name="python3",
            kernel_manager_class=OwnKernel,
            progress_bar=False,
            coalesce_streams=True,  # of a bar its last state stays in the copy, not each step
            start_timeout=PATIENCE,
            iopub_timeout=PATIENCE,
            stderr_file=_Lines(output.stem, sys.stderr),
            extra_arguments=ARGUMENTS,
        )


@contextmanager
def _cards(resources: dict[str, Any], per_gpu: int) -> Iterator[None]:
    """Have the GPUs that a job asks for to itself, or its share of one; in a cluster's job all of its allocation."""
    count = resources.get("gpu") or resources.get("gpu_share")
    if not count:
        yield
        return
    of = pool()
    with leased(len(of) if "SLURM_JOB_ID" in os.environ else count, of, per_gpu):
        yield


def run_job(run_dir: Path, name: str) -> None:
    """Run one job of a run directory, as its jobs.json says, while the run that started it lives.

    Raises BadInput, whose line is also kept beside the executed copy.
    """
    file = run_dir / JOBS
    if not file.is_file():
        raise BadInput(f"{display_path(run_dir)}: no jobs.json in it; give the directory of a study that was run")
    jobs = {job["name"]: job for job in json.loads(file.read_text(encoding="utf-8"))}
    if name not in jobs:
        raise BadInput(f"{display_path(file)}: no job {name}; {advice(name, jobs)}")
    kept = run_dir / error_line(name)
    kept.unlink(missing_ok=True)
    if who := os.environ.get(OWNER):
        end_with(who)
    try:
        job = jobs[name]
        with _cards(job["resources"], job["per_gpu"]):
            run_notebook(notebook_source(ROOT, job["notebook"]), run_dir / executed(name), job["parameters"])
    except BadInput as error:
        with suppress(BadInput):  # on a full disk it is said in the terminal only
            write_whole(kept, scrubbed(f"error: {error}\n"))
        raise
