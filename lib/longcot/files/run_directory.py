"""The paths of a run directory. No other file spells them."""

from longcot.study.arms import Arm


def training_set(arm: Arm) -> str:
    """The file of an arm's chosen traces, in the run directory."""
    return f"training_sets/{arm.name}.jsonl"


def benchmark_traces(arm: Arm) -> str:
    """The file of an arm's benchmark traces, in the run directory."""
    return f"traces/{arm.name}/benchmark.jsonl"


def training_traces(name: str) -> str:
    """The file of the training traces of that name, in the run directory."""
    return f"traces/{name}/training.jsonl"
