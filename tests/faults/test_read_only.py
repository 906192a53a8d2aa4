"""A run directory that cannot be written: one line, and what is done already is still found done."""

import os

import pytest

from longcot.files.errors import BadInput
from longcot.files.manifest import Product
from longcot.files.writing import locked, write_whole
from longcot.grading.regrade import regrade_file
from longcot.run.lock import hold_lock
from longcot.traces.trace import Trace, TraceWriter, write_traces

pytest_plugins = ["small_disk"]
TRACE = Trace(problem_id="p", sample=0, problem="1+1?", expected_answer="2", model="m", text="\\boxed{2}")


@pytest.fixture
def read_only(tmp_path, request):
    """A folder with a whole file of traces, which then cannot be written: for root, who may all, a disk of its own."""
    folder = tmp_path / "run" if os.geteuid() else request.getfixturevalue("disk").path
    making = Product(folder / "t.jsonl", {"a": 1})
    write_traces(folder / "t.jsonl", [TRACE])
    making.finish()
    folder.chmod(0o555) if os.geteuid() else request.getfixturevalue("disk").remount("ro")
    yield folder
    if os.geteuid():
        folder.chmod(0o755)


def test_every_way_to_write_says_so_in_one_line(read_only):
    file = read_only / "t.jsonl"
    ways = {
        "append": lambda: TraceWriter(read_only / "other.jsonl").__enter__(),
        "write": lambda: write_whole(read_only / "other.csv", "x"),
        "lock": lambda: locked(read_only / "model").__enter__(),
        "begin": lambda: Product(read_only / "other.jsonl", {}),
        "make anew": lambda: Product(file, {"a": 2}),
        "regrade": lambda: regrade_file(file),
        "study": lambda: hold_lock(read_only / "study"),
    }
    for name, way in ways.items():
        with pytest.raises(BadInput, match=r": cannot be written \(.*\); make its folder writable") as caught:
            way()
        assert "\n" not in str(caught.value), name
    assert Product(file, {"a": 1}).done
