"""Arms of any runs beside each other: paired over the problems that they share, and corrected for their number."""

import html
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from longcot.figures import differences, ranked_arms
from longcot.figures.results import Result, read_results
from longcot.figures.show import save_figure
from longcot.files.errors import BadInput, advice
from longcot.files.paths import display_path, model_name
from longcot.files.run_directory import STUDY
from longcot.files.text_table import text_table
from longcot.files.visible import visible
from longcot.files.writing import whole_folder, write_whole
from longcot.problems.problem import problem_id
from longcot.run.tasks import plot_tasks
from longcot.study.reading import load_study
from longcot.study.study import Study
from longcot.traces.trace import Trace

PAGE = "comparison.html"
HEADS = ("arm", "traces", "pass@1, %", "95% interval", "problems", "difference", "95% interval", "shared", "p, Holm")
STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 0.9rem; }
th, td { padding: 0.2rem 0.5rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: white; }
h2 { break-after: avoid; }
img { break-inside: avoid; }
@media (max-width: 60rem) {
  table { font-size: 0.75rem; }
  th, td { padding: 0.2rem 0.3rem; }
  th { white-space: normal; vertical-align: bottom; }
}
"""


@dataclass(frozen=True)
class Comparison:
    """Arms of runs, the first of which the others are compared with; `notes` say in what they are not alike."""

    results: list[Result]
    scores: pd.DataFrame
    differences: pd.DataFrame
    notes: list[str]

    @property
    def main(self) -> str:
        """The arm that the others are compared with."""
        return self.results[0].arm.name

    def rows(self) -> list[tuple[str, ...]]:
        """The table for people, its heads first: percent, and percentage points of difference."""
        apart = self.differences.set_index("arm").to_dict("index")
        rows: list[tuple[str, ...]] = [HEADS]
        for score in self.scores.to_dict("records"):
            low, high = (f"{100 * score[key]:.1f}" for key in ("pass_at_1_low", "pass_at_1_high"))
            n, own = str(score["n_train"] or ""), apart.get(score["arm"])
            cells = [score["arm"], n, f"{100 * score['pass_at_1']:.1f}", f"{low} to {high}", str(score["n_problems"])]
            if own:
                p = own["p_corrected"]
                cells += [f"{100 * own['difference']:+.1f}", f"{100 * own['low']:+.1f} to {100 * own['high']:+.1f}"]
                cells += [str(own["n_problems"]), "< 0.001" if p < 0.001 else f"{p:.3f}"]
            rows.append((*cells, *[""] * (len(HEADS) - len(cells))))
        return rows

    def text(self) -> str:
        """All of it for the terminal."""
        return "\n\n".join([text_table(self.rows()), self.about(), *self.notes])

    def about(self) -> str:
        """What the differences are."""
        count = len(self.differences)
        return (
            f"Differences are to {self.main}, in percentage points, paired over the problems that both have; p is "
            f"corrected for {count} comparison{'s' * (count != 1)} (Holm)."
        )


def compare(given: Sequence[tuple[Path, str]]) -> Comparison:
    """The arms of runs, each given as (run directory, arm) or (run directory, "") for all of its arms.

    The first one named, or the main arm of the first run, is what the others are compared with. A problem is one in
    text and expected answer, whatever its id in a run. Raises BadInput for an arm or traces that are not there, and
    where no arm shares a problem with the first.
    """
    studies: dict[Path, Study] = {}
    for run, _ in given:
        if not (run / STUDY).is_file():
            raise BadInput(f"{display_path(run)}: no study.yaml in it; give the directory of a run")
        studies.setdefault(run, load_study(run / STUDY))
    names = _run_names(list(studies))
    results, said, sources = [], {}, {}
    for run, study in studies.items():
        for result in _read(run, study, [arm for one, arm in given if one == run]):
            name = f"{names[run]}/{result.arm.name}" if len(studies) > 1 else result.arm.name
            said[name], sources[name] = _settings(study, result.arm.name), f"{names[run]}: {result.source}"
            source = sources[name] if len(studies) > 1 and result.source else result.source
            traces = [trace.model_copy(update={"problem_id": _same(trace)}) for trace in result.traces]
            arm = result.arm.model_copy(update={"name": name, "condition": {}})
            role = "fine-tuned" if arm.n_train else "reference"
            results.append(replace(result, arm=arm, source=source, traces=traces, role=role))
    first = _first(given[0], studies, names, [result.arm.name for result in results])
    results.sort(key=lambda result: result.arm.name != first)  # stable: the others as they were given
    every = tuple(result.arm.name for result in results)
    origins = tuple(dict.fromkeys(result.source for result in results if result.source))
    results = [replace(result, arms=every, sources=origins) for result in results]
    results[0] = replace(results[0], role="main")
    table = differences.differences_table(results)
    if not len(table):
        raise BadInput(f"{first}: no other arm has one of its problems; compare arms on the same benchmark")
    return Comparison(results, ranked_arms.table(results), table, _notes(results, said, table))


def _run_names(runs: Sequence[Path]) -> dict[Path, str]:
    """A name for each run: that of its directory, with a number where two are called the same."""
    names: dict[Path, str] = {}
    for run in runs:
        taken = list(names.values())
        numbered = (f"{run.name}-{number}" for number in range(2, len(runs) + 2))
        names[run] = next(name for name in (run.name, *numbered) if name not in taken)
    return names


def _read(run: Path, study: Study, wanted: Sequence[str]) -> list[Result]:
    """The results of the arms of a run that are wanted; an empty name is all of them."""
    tasks = {task.name: task for task in plot_tasks(study)}
    for name in filter(None, wanted):
        if name not in tasks:
            raise BadInput(f"{display_path(run)}: no arm {name} with traces of a benchmark; {advice(name, tasks)}")
    chosen = [task for name, task in tasks.items() if "" in wanted or name in wanted]
    if not chosen:
        raise BadInput(f"{display_path(run)}: no arm with traces of a benchmark; its study only curates")
    return read_results(run, chosen, [], chosen[0].name)


def _first(given: tuple[Path, str], studies: dict[Path, Study], names: dict[Path, str], arms: Sequence[str]) -> str:
    """The arm that the others are compared with."""
    run, arm = given
    arm = arm or studies[run].main_arm
    return f"{names[run]}/{arm}" if f"{names[run]}/{arm}" in arms else arm


def _same(trace: Trace) -> str:
    """An id of a problem that is the same in all runs: of its text and its answer."""
    return problem_id(f"{trace.problem}\n{trace.expected_answer}")


def _settings(study: Study, name: str) -> dict[str, Any]:
    """How an arm was asked, as far as that bears on its score."""
    arm = study.arm(name)
    model = study.models.get(arm.model)
    if arm.imported or model is None:
        return {"imported from": arm.imported.source if arm.imported else ""}
    sampling = study.sampling_of(arm).model_dump(include={"temperature", "top_p", "max_tokens", "samples"})
    prompt = study.prompt_of(arm).model_dump()
    return {"model": model_name(model.path), "precision": model.precision, "style": arm.style} | sampling | prompt


def _notes(results: Sequence[Result], said: dict[str, dict[str, Any]], table: pd.DataFrame) -> list[str]:
    """In what arms were asked otherwise than the first, and how few problems are shared: one line for all alike."""
    first, unlike = results[0].arm.name, {}
    for result in results[1:]:
        name = result.arm.name
        keys = [key for key in said[name] if said[name][key] != said[first].get(key)]
        if keys:
            words = ", ".join(f"{key} {said[name][key]!r}, not {said[first].get(key)!r}" for key in keys)
            unlike.setdefault(words, []).append(name)
    notes = [f"Asked otherwise than {first}: {', '.join(arms)} ({words})." for words, arms in unlike.items()]
    missing = [result.arm.name for result in results[1:] if result.arm.name not in set(table["arm"])]
    notes += [f"Without a problem of {first}, so not compared: {', '.join(missing)}."] if missing else []
    own = results[0].scores["n_problems"]
    fewer = table[table["n_problems"] < own]
    notes += [
        f"Compared on fewer problems than the {own} of {first}: {row.arm} ({row.n_problems})."
        for row in fewer.itertuples()
    ]
    return notes


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write tables, figures and a page into a new folder; returns the page.

    The page holds no script, loads nothing, and shows all names as text.
    """
    with whole_folder(folder) as draft:
        drawn = differences.draw(comparison.differences, comparison.main, list(comparison.scores["arm"]))
        save_figure(drawn, comparison.differences, draft / "differences")
        save_figure(ranked_arms.draw(comparison.scores), comparison.scores, draft / "scores")
        pictures = [b64encode((draft / f"{name}.png").read_bytes()).decode() for name in ("differences", "scores")]
        write_whole(draft / PAGE, _page(comparison, pictures))
    return folder / PAGE


def _page(comparison: Comparison, pictures: Sequence[str]) -> str:
    def safe(text: object) -> str:
        return html.escape(visible(str(text)))

    heads, *rows = comparison.rows()
    title = safe(f"Arms compared with {comparison.main}")
    body = "".join(f"<tr>{''.join(f'<td>{safe(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    table = f"<table><thead><tr>{''.join(f'<th>{safe(cell)}</th>' for cell in heads)}</tr></thead>\n{body}</table>"
    names = ("How far each arm lies from the first, with 95% intervals", "Arms by pass@1, with 95% intervals")
    shown = "".join(
        f'<h2>{name}</h2>\n<img alt="{name}" src="data:image/png;base64,{picture}">\n'
        for name, picture in zip(names, pictures, strict=True)
    )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{table}\n"
        + "".join(f"<p>{safe(line)}</p>\n" for line in (comparison.about(), *comparison.notes))
        + f"{shown}</body></html>\n"
    )
