"""A study through a real Slurm gives the same table as here, also when it is killed in between.

    python tests/by_hand/slurm.py --profile slurm-single-node
    python tests/by_hand/slurm.py --profile slurm --study params/miniature.yaml --config sampling.samples=1

runs the study here, then through Slurm, where Snakemake is killed once with its first jobs in the queue and the same
command goes on, and compares `tables/arms.csv` byte for byte. Both are run in `runs/by-hand-slurm`, since the seeds of
a fine-tuned arm hold the path of its adapter; the first is then put aside as `runs/by-hand-here`. Both stay.
"""

import argparse
import subprocess
import sys
import time

from longcot.files.paths import ROOT, resolve
from longcot.run.slurm import slurm_jobs

NAME = "by-hand-slurm"


def start(study: str, *words: str) -> subprocess.Popen:
    """`make study`, but for its setting up."""
    command = [sys.executable, "-m", "longcot", "run", study, "--config", f"name={NAME}", *words]
    print(*command[2:], flush=True)
    return subprocess.Popen(command, cwd=ROOT)


def main() -> None:
    """Exit status 0 where the tables are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="params/miniature.yaml")
    parser.add_argument("--profile", default="slurm")
    parser.add_argument("--config", action="append", default=[])
    given = parser.parse_args()
    changes = [word for change in given.config for word in ("--config", change)]
    folder, here = resolve(f"runs/{NAME}").resolve(), resolve("runs/by-hand-here")
    if folder.exists() or here.exists():
        sys.exit(f"{folder} or {here} is there from before; remove both")
    began = time.monotonic()
    assert start(given.study, *changes).wait() == 0
    local = time.monotonic() - began
    folder.rename(here)

    began = time.monotonic()
    through = [*changes, "--profile", given.profile]
    first = start(given.study, *through)
    while not (left := slurm_jobs(folder)) and first.poll() is None:
        time.sleep(0.2)
    first.kill()
    first.wait()
    print("killed, with these jobs in the queue:", *left or ["none"], flush=True)
    second = start(given.study, *through)
    while left and set(slurm_jobs(folder)) & set(left):
        time.sleep(0.2)
    print("they are gone; started once more, it says:", flush=True)
    assert start(given.study, *through).wait() == 1, "two ran at once"
    assert second.wait() == 0
    print(f"{local:.0f} s here, {time.monotonic() - began:.0f} s through Slurm with a kill")

    tables = [(run / "tables/arms.csv").read_bytes() for run in (here, folder)]
    print("arms.csv: the same, byte for byte" if tables[0] == tables[1] else "arms.csv: NOT the same")
    sys.exit(tables[0] != tables[1])


if __name__ == "__main__":
    main()
