"""Where a run's files are from: what their manifests say, for its report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longcot.files.errors import BadInput
from longcot.files.paths import display_path
from longcot.files.run_directory import SUPERSEDED


def read_manifests(run: Path) -> list[dict[str, Any]]:
    """What the provenance shows of each manifest under the run directory, in the order in which files were finished."""
    rows = []
    for path in sorted(run.rglob("*.manifest.json")):
        if SUPERSEDED in path.relative_to(run).parts:
            continue
        try:
            made = json.loads(path.read_text(encoding="utf-8"))
            git, machine = made["git"], made["machine"]
            rows.append(
                {key: made[key] for key in ("file", "sha256", "seconds", "peak_memory_mb", "finished_at")}
                | {
                    "commit": git.get("commit", "")[:10] + ("+" if git.get("dirty") else ""),
                    "machine": ", ".join(f"{key} {value}" for key, value in machine.items()),
                    "on": _in_words(machine),
                    "versions": [f"{name} {version}" for name, version in made["packages"].items()],
                    "text": json.dumps(made, indent=1, ensure_ascii=False),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadInput(f"{display_path(path)}: not a manifest; make its file again") from None
    return sorted(rows, key=lambda made: (made["finished_at"], made["file"]))


def _in_words(machine: dict[str, Any]) -> str:
    """A machine as the head of a report names it: `Linux x86_64, 2 cores, 24 GB, NVIDIA H100`."""
    forms = {"system": "{}", "cores": "{} cores", "memory_gb": "{} GB", "gpu": "{}"}
    return ", ".join(form.format(machine[key]) for key, form in forms.items() if key in machine)


def date_and_machines(manifests: Sequence[dict[str, Any]]) -> str:
    """When a run was finished and where, in a line: its last day, and the machines of its files; empty without any."""
    if not manifests:
        return ""
    machines = list(dict.fromkeys(made["on"] for made in manifests if made["on"]))
    more = f", and {len(machines) - 2} more machines" if len(machines) > 2 else ""
    day = str(manifests[-1]["finished_at"])[:10]
    return f"Finished {day}, on {'; '.join(machines[:2])}{more}" if machines else f"Finished {day}"
