"""A study on 1, 2, 4 and 8 GPUs of one machine: seconds of each phase, engine starts, and what idle cards waited for.

    VLLM=/path/to/vllm python tests/benchmarks/cards.py params/smollm2-135m.yaml --cards 1 2 4 8 --out /tmp/cards \
        --config models.base.path=/path/to/SmolLM2-135M-Instruct

Each count is a run of its own from nothing, one after another on the first cards that are visible. Each is made in
`runs/NAME-cards`, and moved to `runs/NAME-cards-COUNT` when it ends. `first_start.py` before it has vLLM compile its
graphs, which else the first count alone would do. Without a GPU a count is that of jobs at once (`--cores`). What is
not sampled or trained but copied from another count's run is said with `--from RUN --copied`: folders and files in it,
as `models training_sets`; with the stamp of a job it is not run again.
`--arms 16` takes that many arms that an adapter is trained for and no others, so that all is training and sampling
these; where the study has fewer, its own again, with other draws of their traces.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd
import yaml

from longcot.run.time_left import covered

ROOT = Path(__file__).parents[2]
PHASES = {"training": "03_finetune_qlora", "sampling": "01_generate_traces", "choosing": "02", "plotting": "04"}
BESIDE = re.compile("plain|-training|imported")  # notebooks of traces that are none of trained arms
QUERY = "timestamp,index,utilization.gpu,memory.used"
STARTED = re.compile(r"engine (\S.*): answers after ([\d.]+) s")


def visible() -> list[str]:
    """The indices of the GPUs that nvidia-smi lists; none without it."""
    if not shutil.which("nvidia-smi"):
        return []
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def watched(log: Path):
    """While it lasts nvidia-smi writes what each card does into a file, twice a second."""
    asked = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits", "-lms", "500", "-f", str(log)]
    watching = subprocess.Popen(asked) if shutil.which("nvidia-smi") else None
    try:
        yield
    finally:
        if watching:
            watching.terminate()
            watching.wait()


def jobs_of(run: Path) -> list[tuple[str, float, float]]:
    """(phase, start, end) of each job of a run, in seconds since the epoch, by its executed notebook."""
    found = []
    for copy in sorted((run / "notebooks").glob("*.ipynb")):
        times = json.loads(copy.read_text())["metadata"]["papermill"]
        phase = next(name for name, begins in PHASES.items() if copy.stem.startswith(begins))
        phase = "teachers and plain arms" if BESIDE.search(copy.stem) else phase
        found.append((phase, *(datetime.fromisoformat(times[key]).timestamp() for key in ("start_time", "end_time"))))
    return found


def phase_seconds(jobs: list[tuple[str, float, float]], phase: str) -> float:
    """How long any job of a phase ran."""
    return round(covered([(start, end) for name, start, end in jobs if name == phase]), 1)


def engine_starts(log: Path) -> list[tuple[float, float]]:
    """(end, seconds) of each start of an engine, from a run's log, of which each line begins with its time."""
    lines = (line.partition(" ") for line in log.read_text(errors="replace").splitlines())
    found = [(float(at), STARTED.search(said)) for at, _, said in lines if at.replace(".", "", 1).isdigit()]
    return [(at, float(match[2])) for at, match in found if match]


def idle(log: Path, cards: list[str], jobs: list[tuple[str, float, float]], starts: list[tuple[float, float]]) -> dict:
    """Of each card the share of the time that it did nothing between the first job's start and the last one's end on
    cards, and by what ran then: `engine start`, else the phases of the jobs, else `between jobs`.
    """
    if not log.is_file():
        return {}
    on_cards = [job for job in jobs if job[0] not in ("choosing", "plotting")]
    first, last = min(job[1] for job in on_cards), max(job[2] for job in on_cards)
    seen, why = Counter(), Counter()
    for row in csv.reader(log.read_text().splitlines()):
        if len(row) < 4 or row[1].strip() not in cards:
            continue
        at = datetime.strptime(row[0].strip(), "%Y/%m/%d %H:%M:%S.%f").timestamp()
        if first <= at <= last:
            seen["all"] += 1
            if float(row[2]) == 0:
                running = sorted({phase for phase, start, end in jobs if start <= at <= end})
                begins = any(end - seconds <= at <= end for end, seconds in starts)
                why["engine start" if begins else ", ".join(running) or "between jobs"] += 1
    count = max(seen["all"], 1)
    return {"idle": round(sum(why.values()) / count, 3)} | {name: round(n / count, 3) for name, n in why.most_common()}


def copy_from(source: Path, names: list[str], run: Path) -> None:
    """Copy folders and files of a run, with their times, by which Snakemake knows that a job is done."""
    for name in names:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        copied = shutil.copytree if (source / name).is_dir() else shutil.copy2
        copied(source / name, run / name)


def study_command(study: Path, name: str, cores: int, config: list[str]) -> list[str]:
    """The command that runs a study under a name, with changes of it."""
    changes = [word for change in [f"name={name}", *config] for word in ("--config", change)]
    return [sys.executable, "-u", "-m", "longcot", "run", str(study), "--cores", str(cores), *changes]


def run_study(given: argparse.Namespace, name: str, count: int, cards: list[str]) -> dict:
    """Run the study on so many cards; a row of what it took."""
    run, kept = ROOT / "runs" / name, ROOT / "runs" / f"{name}-{count}"
    log, watching = given.out / f"{kept.name}.log", given.out / f"{kept.name}.cards.csv"
    for folder in (run, kept):
        if folder.exists():
            sys.exit(f"{folder} is there: move it away, since a study would go on from it")
    copy_from(given.source, given.copied, run)
    environment = os.environ | ({"GPUS": ",".join(cards)} if cards else {})
    command = study_command(given.study, name, given.cores if cards else count, given.config)
    begun = time.time()
    with watched(watching), open(log, "w") as file:
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=ROOT, env=environment, errors="replace", **how) as process:
            for line in process.stdout:
                file.write(f"{time.time():.1f} {line}")
                file.flush()
    if process.returncode:
        sys.exit(f"it failed, see {log}")
    jobs, starts = jobs_of(run), engine_starts(log)
    row = {"cards": count, "all_s": round(time.time() - begun, 1)}
    for phase in dict.fromkeys(phase for phase, *_ in jobs):
        row[f"{phase}_s"] = phase_seconds(jobs, phase)
    row |= {"engine_starts": len(starts), "engine_start_s": round(sum(seconds for _, seconds in starts), 1)}
    run.rename(kept)
    return row | idle(watching, cards, jobs, starts)


def outside(run: Path, other: Path) -> list[str]:
    """The arms of a run whose pass@1 lies outside the interval that another one gives."""
    arms, there = (pd.read_csv(one / "tables/arms.csv").set_index("arm") for one in (run, other))
    within = (there.pass_at_1_low <= arms.pass_at_1) & (arms.pass_at_1 <= there.pass_at_1_high)
    return list(within[~within].index)


def trained_arms(arms: list[dict], count: int) -> list[dict]:
    """So many arms that are trained, the study's own over and over, each time with other seeds of their draws."""
    own = [arm for arm in arms if "data" in arm and "use" not in arm]
    made = []
    for number in range(count):
        arm, again = own[number % len(own)], number // len(own)
        data = arm["data"] | {"seed": arm["data"].get("seed", 1) + 100 * again}
        made.append(arm | {"name": f"{arm['name']}-{again}" if again else arm["name"], "data": data})
    return made


def main() -> None:
    """Run the study on each count of cards; a line of JSON each, then a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--cards", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="of a run on cards")
    parser.add_argument("--config", nargs="*", default=[], help="changes of the study, as models.base.path=…")
    parser.add_argument("--from", dest="source", type=Path, help="a run of which folders are copied first")
    parser.add_argument("--copied", nargs="*", default=[], help="the folders and files, as models training_sets")
    parser.add_argument("--arms", type=int)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    study = yaml.safe_load(given.study.read_text())
    if given.arms:
        arms = trained_arms(study["arms"], given.arms)
        given.study = given.out / given.study.name
        given.study.write_text(yaml.safe_dump(study | {"arms": arms, "main_arm": arms[0]["name"]}))
    name, there, rows = study["name"], visible(), []
    for count in given.cards:
        if there and count > len(there):
            print(f"{count} cards: not run, {len(there)} are visible")
            continue
        rows.append(run_study(given, f"{name}-cards", count, there[:count]))
        runs = [ROOT / "runs" / f"{name}-cards-{row['cards']}" for row in rows]
        rows[-1]["outside_the_first_s_interval"] = outside(runs[-1], runs[0])
        print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    for phase in ("training_s", "sampling_s", "all_s"):
        if phase in table:
            linear = table[phase].iloc[0] * table["cards"].iloc[0] / (table[phase] * table["cards"])
            table[phase.replace("_s", " of linear")] = linear.round(2)
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
