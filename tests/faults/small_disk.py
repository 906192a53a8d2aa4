"""A disk that is soon full, and what fills it."""

import subprocess
from pathlib import Path

import pytest

from longcot.problems.problem import Problem
from longcot.sampling.requests import Completion
from longcot.sampling.settings import Sampling

PROBLEMS = [Problem(id=f"p{i}", problem=f"{i}+1?", expected_answer=str(i + 1)) for i in range(8)]
SAMPLING = Sampling(max_tokens=9, samples=4, batch_size=4)


class LongWinded:
    """A sampler whose responses are 20 kB, the same for the same problem and sample. `then` is done at each batch."""

    def __init__(self, then=lambda: None):
        self.then = then

    def responses(self, requests, done, sampling, *, model, adapter):
        for start in range(0, len(requests), sampling.batch_size):
            batch = [one for one in requests[start : start + sampling.batch_size] if one.key not in done]
            if batch:
                self.then()
                texts = [f"{one.problem.id} {one.sample} " * 2000 + "\\boxed{1}" for one in batch]
                yield [(one, Completion(text, "stop", 5, 9)) for one, text in zip(batch, texts, strict=True)]


class Disk:
    """A file system in memory. `remount` changes its options: its size, or `ro`."""

    def __init__(self, path: Path):
        self.path = path

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", "tmpfs", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    """300 kB in memory, mounted for the test; skips where that is not allowed."""
    path = tmp_path / "disk"
    path.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here, which takes root")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)
