"""What is said of how far a run is: on request, in a line now and then while it runs, and at its end."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

from longcot.files.manifest import status
from longcot.files.paths import display_path
from longcot.files.run_directory import JOBS, REPORT, error_line, table
from longcot.files.text_table import text_table
from longcot.run.progress import Progress, read_progress

EVERY_S = 60.0  # seconds between two lines of a run on how far it is


def status_text(now: Progress) -> str:
    """How far a run is, for the terminal: its jobs, its arms, and what to do next."""
    where = display_path(now.run_dir)
    head = f"{where}: {now.work()}"
    host, _, pid = now.alive.rpartition(":")
    head += f"; process {pid} on {host} runs it" if now.alive else "" if now.done else "; nothing runs it now"
    rows = [("state", "job", "made of what it makes")]
    parts = [now.study.title, head]
    products = {row["name"]: row["products"] for row in json.loads((now.run_dir / JOBS).read_text(encoding="utf-8"))}
    for job, state in now.jobs.items():
        states = [status(now.run_dir / product) for product in products[job]]
        rows.append((state, job, f"{states.count('done')} of {len(states)}"))
    parts.append(text_table(rows))
    if now.done:
        parts += [scores_text(now.run_dir), f"report: {display_path(now.run_dir / REPORT)}"]
        return "\n\n".join(filter(None, parts))
    arms = [("arm", "traces", "of", "right, %", "tokens", "loss")]
    for arm in now.arms:
        so_far, loss = arm.so_far, now.losses.get(arm.name)
        scores = (
            (f"{100 * so_far.right / so_far.rows:.1f}", f"{so_far.tokens / so_far.rows:.0f}")
            if so_far.rows
            else ("", "")
        )
        expected = "" if arm.expected is None else f"{arm.expected:,}"
        arms.append((arm.name, f"{so_far.rows:,}", expected, *scores, f"{loss:.3f}" if loss is not None else ""))
    parts += [text_table(arms)] if len(arms) > 1 else []
    parts += [(now.run_dir / error_line(job)).read_text(encoding="utf-8").strip() for job in now.of("failed")]
    if not now.alive:
        parts.append(f"longcot run {where} goes on with it")
    return "\n\n".join(parts)


def scores_text(run_dir: Path) -> str:
    """The table of scores of a finished run, percent with 95% intervals; empty of one that has none."""
    file = run_dir / table("arms")
    if not file.is_file():
        return ""
    with open(file, encoding="utf-8", newline="") as lines:
        scores = list(csv.DictReader(lines))
    rows = [("arm", "traces", "pass@1, %", "95% interval", "majority, %", "tokens")]
    for row in scores:
        one, low, high, vote = (
            f"{100 * float(row[key]):.1f}" for key in ("pass_at_1", "pass_at_1_low", "pass_at_1_high", "maj_at_k")
        )
        n, tokens = row["n_train"] if row["n_train"] != "0" else "", row["mean_tokens"]
        rows.append((row["arm"], n, one, f"{low} to {high}", vote, f"{float(tokens):.0f}" if tokens else ""))
    return text_table(rows)


def end_text(run_dir: Path) -> str:
    """What a run ends with: its table of scores, and where its report is."""
    return "\n\n".join(filter(None, ["", scores_text(run_dir), f"report: {display_path(run_dir / REPORT)}"]))


def follow(run_dir: Path, say: Callable[[str], object], every_s: float = EVERY_S) -> None:
    """Say in a line now and then how far the run is, without end: for a thread that dies with the run."""
    last = ""
    while True:
        time.sleep(every_s)
        try:
            line = read_progress(run_dir).line()
        except (OSError, ValueError):  # of a file that is just being written; BadInput is a ValueError
            continue
        if line != last:
            say(f"[{run_dir.name}] {line}")
        last = line
