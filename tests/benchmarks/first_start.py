"""Starts and ends the engine of a study's fine-tuned arms before any is trained, and says how long each start took.

    VLLM=/path/to/vllm python tests/benchmarks/first_start.py params/gemma-3-270m.yaml runs/gemma-3-270m --times 2 \
        --config models.base.path=/path/to/gemma-3-270m

A first start compiles graphs, which vLLM keeps and each later one finds; its kernels vLLM 0.25 compiles at the second
start once more, since the first kept them with the graphs, where none looks for them. So of two runs that are compared
both find all when this was run before, with `--times 2`. It makes the base that is served too, in the run directory, as
the study would. One server is started, with the words of the study's; its log goes to `RUN-first-start`.
"""

import argparse
import time
from pathlib import Path

from longcot.files.paths import resolve
from longcot.models.sampled_base import sampled_base
from longcot.run.jobs import study_jobs
from longcot.sampling.engines import engines
from longcot.sampling.settings import SampleTask
from longcot.study.reading import load_study


def main() -> None:
    """Make the base, then start and end its engine; a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", nargs="*", default=[], help="changes of the study, as of its run")
    parser.add_argument("--times", type=int, default=1)
    given = parser.parse_args()
    study, run, begun = load_study(given.study, given.config), resolve(given.run), time.monotonic()
    tasks: list[SampleTask] = next(job.tasks for job in study_jobs(study, 1) if "trained-engine" in job.name)
    beside = run.with_name(f"{run.name}-first-start")
    # None of the adapters is there: the study may be about to write them.
    tasks = [task.model_copy(update={"adapter": task.adapter and f"{beside}/{task.adapter}"}) for task in tasks]
    base, dtype = sampled_base(tasks[0].base, tasks[0].dtype, run, apart=True)
    print(f"base: {time.monotonic() - begun:.1f} s", flush=True)
    places = engines.places
    engines.places = lambda *given: places(*given)[:1]
    engines.adapter_rank = lambda folder: study.lora.rank  # of adapters that are still to be trained
    engines.used_gb = lambda cards: 0.0  # the study may begin to train on them meanwhile
    for _ in range(given.times):
        with engines.Engines(tasks, beside, "engine") as own:
            own.serve(tasks[0], base, dtype)
            print(f"start: {own.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
