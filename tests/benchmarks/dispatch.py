"""What a study's jobs cost beside their work: planning, dispatching, and starting a notebook.

    python tests/benchmarks/dispatch.py plan --arms 200      # of `plan` and of a dry run, nothing made and all made
    python tests/benchmarks/dispatch.py jobs --arms 200      # of Snakemake, `true` in place of notebooks
    python tests/benchmarks/dispatch.py notebooks            # before the own work of a notebook begins

The study that is planned has three stages: a training set is chosen for each arm, it is trained, and it is sampled, one
arm a job. CPU seconds are of the process and all that it started, user and system.
"""

import argparse
import ast
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import yaml

from longcot.files.manifest import manifest_path
from longcot.files.paths import ROOT, resolve
from longcot.run.jobs import study_jobs
from longcot.run.jobs_file import write_jobs
from longcot.study.reading import load_study
from longcot.study.study import Study
from longcot.traces.trace import Trace, write_traces

NAME = "benchmark-dispatch"
BASE = "lib/longcot/miniature/weights/world1/base"
WORK = {  # what a notebook imports and loads on its way, where there is work
    "01_generate_traces": f"from longcot.sampling.local import LocalSampler; LocalSampler('{BASE}')",
    "03_finetune_qlora": "from longcot.qlora.task import base_4bit; import longcot.qlora.training; "
    f"base_4bit('{BASE}', '', 'float32')",
}


def large_study(folder: Path, arms: int) -> Path:
    """The file of a study of so many arms, each with a training set of its own."""
    values = yaml.safe_load((ROOT / "params/miniature.yaml").read_text())
    values |= {"name": NAME, "jobs": {"arms_per_job": 1}, "published": {}}
    data = {"teacher": "reasoner", "n": 20}
    trained = [{"name": f"arm-{i}", "model": "base", "data": data | {"seed": i}} for i in range(arms)]
    values["arms"] = [{"name": "base", "model": "base"}, *trained]
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    return folder / "study.yaml"


def make_all(study: Study) -> None:
    """The products of all jobs as they would lie there: traces of 512 samples, empty adapters and sets, manifests."""
    run_dir = resolve(study.run_dir)
    row = {"problem": "?" * 200, "expected_answer": "1", "model": "m", "text": "x" * 600, "completion_tokens": 200}
    traces = [Trace(problem_id=f"p{i // 4}", sample=i % 4, **row) for i in range(512)]
    for product in (run_dir / product for job in study_jobs(study) for product in job.products):
        if product.suffix == ".jsonl" and product.parents[1].name == "traces":
            write_traces(product, traces)
        else:
            product.parent.mkdir(parents=True, exist_ok=True)
            product.touch()
        manifest_path(product).write_text('{"sha256": ""}')


def timed(*words: str) -> str:
    """Run a command; its seconds, and those of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{wall:.2f} s, {after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime:.2f} s of CPU"


def measure_plan(file: Path) -> None:
    """Planning a study of which nothing is made, and one of which all is."""
    study = load_study(file)
    print(f"{len(study_jobs(study))} jobs")
    for state in ("nothing made", "all made"):
        for command in (["plan", str(file)], ["run", str(file), "--", "--dry-run"]):
            print(
                f"{state}, {' '.join([command[0], *command[2:]])}: {timed(sys.executable, '-m', 'longcot', *command)}"
            )
        make_all(study)


def measure_jobs(file: Path, folder: Path) -> None:
    """Running the study with `true` in place of what runs a notebook."""
    study = load_study(file)
    jobs = study_jobs(study)
    resolve(study.run_dir).mkdir(parents=True)
    write_jobs(jobs, 1, resolve(study.run_dir) / "jobs.json")
    rules = (ROOT / "notebooks/Snakefile").read_text()
    for command in ("job", "report"):
        assert f"{{program}} {command} " in rules
    rules = rules.replace("{program} job ", "true ").replace("{program} report ", "touch report.html; true ")
    (folder / "Snakefile").write_text(rules)
    run_dir = str(resolve(study.run_dir))
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Snakefile"), "--directory", run_dir]
    words += ["--cores", "2", "--quiet", "all"]
    began = time.monotonic()
    print(f"{len(jobs)} jobs: {timed(*words)}; {(time.monotonic() - began) / len(jobs):.3f} s a job")
    assert len(list(Path(run_dir, "stamps").iterdir())) == len(jobs)


def measure_notebooks(folder: Path) -> None:
    """A notebook without cells through Papermill; and each notebook's imports, and what it loads where it works."""
    cell = nbformat.v4.new_code_cell("x: int = 1  # nothing", metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "empty.ipynb")
    jobs = [{"name": "empty", "notebook": os.path.relpath(folder / "empty", ROOT / "notebooks"), "parameters": {}}]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    print("python:", timed(sys.executable, "-c", "pass"))
    print("an empty notebook:", timed(sys.executable, "-m", "longcot", "job", str(folder), "empty"))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        nodes = [node for cell in cells for node in ast.parse(cell).body]
        imports = "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
        print(f"{path.stem}, imports: {timed(sys.executable, '-c', imports)}")
        if path.stem in WORK:
            print(f"{path.stem}, imports and model: {timed(sys.executable, '-c', imports + chr(10) + WORK[path.stem])}")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("plan", "jobs", "notebooks"))
    parser.add_argument("--arms", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            if given.what == "notebooks":
                measure_notebooks(Path(folder))
            elif given.what == "plan":
                measure_plan(large_study(Path(folder), given.arms))
            else:
                measure_jobs(large_study(Path(folder), given.arms), Path(folder))
        finally:
            shutil.rmtree(resolve(f"runs/{NAME}"), ignore_errors=True)


if __name__ == "__main__":
    main()
