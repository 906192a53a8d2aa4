"""The NVIDIA GPUs that this process may use, as the driver's own program lists them. Gigabytes are 10⁹ bytes."""

import os
import shutil
import subprocess
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"
SHARE = "LONGCOT_GPU_SHARE"  # by how many jobs the GPU of this process is shared
MIB = 2**20 / 1e9


@dataclass(frozen=True)
class Card:
    """A GPU: what CUDA_VISIBLE_DEVICES calls it, the driver's id of it, its memory (None of a part of one, by MIG)."""

    name: str
    uuid: str
    total_gb: float | None = None
    used_gb: float | None = None


def cards() -> list[Card]:
    """The GPUs of this machine, or those of them that CUDA_VISIBLE_DEVICES names; none without a driver.

    Names that the driver does not list, such as those of MIG, are taken as they are.
    """
    there = _listed()
    named = os.environ.get(VISIBLE)
    if named is None:
        return there
    known = {key: card for card in there for key in (card.name, card.uuid)}
    names = [name.strip() for name in named.split(",")]
    return [known.get(name) or Card(name, name) for name in names if name and name != "-1"]


def used_gb(of: list[Card]) -> float:
    """What is in use of these cards' memory now, all together."""
    now = {card.uuid: card.used_gb or 0.0 for card in _listed()}
    return sum(now.get(card.uuid, 0.0) for card in of)


def _listed() -> list[Card]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.used", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split(", ") for line in found.stdout.splitlines()] if found.returncode == 0 else []
    return [Card(row[0], row[1], _gb(row[2]), _gb(row[3])) for row in rows if len(row) == 4]


def _gb(mib: str) -> float | None:
    return float(mib) * MIB if mib.strip().isdigit() else None  # "[N/A]" on machines with one memory for all
