"""What is done to an arm, one file each: traces imported or sampled, a training set chosen, an adapter trained.

Every file stands alone and is finished by its manifest, so that a run that is killed goes on at the arm, and within
it at the trace. A base model is loaded once for all arms that share it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longcot.curation.choice import Choice, pick_traces
from longcot.curation.data_sheet import write_data_sheet
from longcot.curation.filtering import Filtered, filter_file, row_fates
from longcot.curation.pool import Pool
from longcot.curation.training_set import training_rows, write_training_set
from longcot.files.manifest import Making


def curate_arms(
    arms: Sequence[dict[str, Any]], pool: Pool, prompt: dict[str, Any], difficulty_traces: str, run_dir: Path
) -> list[tuple[dict[str, Any], Filtered]]:
    """Choose each arm's traces and write its training set with a data sheet; see `curate_arm` for what is given back.

    Arms of the same traces, stage and filters that follow each other are filtered once.
    """
    made: list[tuple[dict[str, Any], Filtered]] = []
    for place, arm in enumerate(arms):
        same = place and all(arm[key] == arms[place - 1][key] for key in ("traces", "stage", "filters"))
        made.append(curate_arm(arm, pool, prompt, difficulty_traces, run_dir, made[-1][1] if same else None))
    return made


def curate_arm(
    arm: dict[str, Any],
    pool: Pool,
    prompt: dict[str, Any],
    difficulty_traces: str,
    run_dir: Path,
    filtered: Filtered | None = None,
) -> tuple[dict[str, Any], Filtered]:
    """Choose an arm's traces and write its training set; returns a row of counts, and what the filters did.

    `arm` holds `name, traces, training_set, teacher, stage, filters` and the fields of `choice.Choice`. The manifest
    has every row's fate, the data sheet lies beside it. `filtered` is what the same filters did to the same traces, if
    that is known. Raises BadInput, naming the arm, for a stage that the traces have not, and as filters and choice do.
    """
    out, source = run_dir / arm["training_set"], run_dir / arm["traces"]
    difficulty = run_dir / difficulty_traces if difficulty_traces else None
    recipe = {"arm": {key: value for key, value in arm.items() if key != "condition"}, "prompt": prompt}
    if "decontaminated" in str(arm["filters"]):
        recipe["benchmark"] = [problem.problem for problem in pool.benchmark]
    making = Making(out, recipe, [source, *filter(None, [difficulty])])
    filtered = filtered or filter_file(source, arm["stage"], arm["filters"], pool, arm["name"])
    if not making.done:
        choice = Choice(**{field: arm[field] for field in Choice.model_fields if field in arm})
        chosen = pick_traces(filtered.kept, choice, pool, arm["name"])
        write_training_set(out, training_rows(chosen, dict(pool.problems), dict(pool.pass_rates), **prompt))
        making.finish(removed=filtered.removed, rows=row_fates(filtered, chosen))
    write_data_sheet(out)
    counts = {"arm": arm["name"], "teacher": arm["teacher"], "stage": arm["stage"], "traces": len(filtered.given)}
    counts |= {f"not {name}": count for name, count in filtered.removed.items()}
    return counts | {"left": len(filtered.kept), "n": arm["n"]}, filtered
