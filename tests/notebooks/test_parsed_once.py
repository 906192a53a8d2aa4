"""Each file of traces is parsed once a notebook, however large."""

from collections import Counter

import pytest
from notebook_cells import run_cells
from synthetic_pools import make_pools
from synthetic_study import ARMS, make_study

from longcot.traces.trace import Trace


@pytest.fixture
def parsed(monkeypatch):
    """How often each line of a file was parsed as a trace."""
    lines: Counter[bytes] = Counter()
    plain = Trace.model_validate_json

    def count(line: bytes, **how) -> Trace:
        lines[line] += 1
        return plain(line, **how)

    monkeypatch.setattr(Trace, "model_validate_json", count)
    return lines


def lines_of(folder, tasks, *more) -> list[bytes]:
    files = dict.fromkeys([*(task["traces"] for task in tasks), *more])
    return [line for file in files for line in (folder / file).open("rb")]


def test_the_evaluation(tmp_path, parsed):
    """But for the traces that are shown: two problems, of two arms each."""
    parameters = make_study(tmp_path, ARMS[:6], count=16)
    run_cells("04_plot_evaluation", parameters)
    assert parsed.keys() == set(lines_of(tmp_path, parameters["tasks"]))
    assert set(parsed.values()) == {1, 2} and sum(count - 1 for count in parsed.values()) == 4


@pytest.mark.parametrize("difficulty", ["traces/base/training.jsonl", "traces/long/training.jsonl"])
def test_the_curation(tmp_path, parsed, difficulty):
    """Also of the file that is chosen from and gives the pass rates."""
    parameters = make_pools(tmp_path) | {"difficulty_traces": difficulty}
    run_cells("02_analyze_curation", parameters)
    assert parsed == Counter(lines_of(tmp_path, parameters["tasks"], difficulty))
