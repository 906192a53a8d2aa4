"""The rows of `miniature:<name>`."""

from typing import Any

from longcot.files.errors import BadInput
from longcot.problems.miniature.world import SPLITS, World

WRITTEN = ("annotated", "variants", "additions")  # solutions that a program writes, by `miniature:<name>`


def named_rows(name: str) -> list[dict[str, Any]]:
    """The rows of a split or of what a program wrote; `<name>@<seed>` for another world. Raises BadInput for others."""
    kind, _, seed = name.partition("@")
    if kind not in (*SPLITS, *WRITTEN) or not (seed or "1").isdigit():
        known = ", ".join(f"miniature:{kind}" for kind in (*SPLITS, *WRITTEN))
        raise BadInput(f"miniature:{name}: write one of {known}, with @2 for world 2")
    world = World(int(seed or 1))
    if kind in SPLITS:
        return [solved.problem.model_dump() for solved in world.split(kind)]
    from longcot.problems.miniature.annotator import annotate
    from longcot.problems.miniature.variants import variants

    return annotate(world) if kind == "annotated" else variants(world, kind)
