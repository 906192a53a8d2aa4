import json

import pytest

from longcot.files.errors import BadInput
from longcot.report.explorer import page
from longcot.report.explorer.choice import Filters, passing
from longcot.report.explorer.counts import Counts
from longcot.report.explorer.explore import explore, first_view
from longcot.report.explorer.index import read_index
from longcot.report.explorer.reader import MOST, Reader
from longcot.report.explorer.searching import Search
from longcot.traces.behaviours import BEHAVIOURS
from longcot.traces.trace import Trace, write_traces

TEXT = 'Let me check this. It says {"text":"x","finish_reason":"y"} \\ and "quotes", é 数.\nSo \\boxed{5}.'


def trace(problem: int, sample: int, correct: bool | None, **more) -> Trace:
    given = {"text": f"{TEXT} {sample}", "finish_reason": "stop", "completion_tokens": 10 * (sample + 1)} | more
    answer = None if correct is None else "5" if correct else "6"
    about = {"problem": f"Problem {problem}?", "expected_answer": "5", "model": "m", "answer": answer}
    return Trace(problem_id=f"p{problem}", sample=sample, correct=correct, **about, **given)


@pytest.fixture
def run_dir(tmp_path):
    """base is right on p3 alone, good on all but p0 (of which half) and p3; slow has other problems' traces too."""
    right = {"base": lambda p, s: p == 3, "good": lambda p, s: p in (1, 2) or (p == 0 and s == 0)}
    for arm, is_right in right.items():
        own = [trace(p, s, is_right(p, s)) for p in range(4) for s in range(2)]
        write_traces(tmp_path / "traces" / arm / "benchmark.jsonl", own)
    cut = [trace(0, 0, None, finish_reason="length", text="Wait, no. " + TEXT), trace(0, 1, None, finish_reason=None)]
    write_traces(tmp_path / "traces/good/training.jsonl", cut)
    return tmp_path


@pytest.fixture
def reader(run_dir):
    index = read_index(run_dir)
    return Reader(index, *first_view(index, [], ""))


def shown(reader) -> list[str]:
    """The texts of the columns."""
    return [box.children[2].value for box in reader.side.children]


def test_texts_are_read_where_they_stand(run_dir):
    index = read_index(run_dir)
    assert len(index.table) == 18 and index.sets() == ["benchmark", "training"]
    for row in index.table.index:
        assert index.read(row).text.count(TEXT) == 1
    place = index.table.loc[index.find("traces/good/training.jsonl:2")]
    assert (place["problem_id"], place["sample"], place["ending"]) == ("p0", 1, "end not stated")
    assert index.find("traces/good/training.jsonl:3") is None and index.find("nonsense") is None


def test_keys_in_another_order_and_a_torn_last_line(run_dir):
    path = run_dir / "traces/base/benchmark.jsonl"
    rows = [json.loads(line) for line in path.open()]
    lines = [json.dumps(dict(reversed(row.items()))) + "\n" for row in rows]
    path.write_text("".join(lines) + lines[0][:40])
    index = read_index(run_dir)
    assert (index.table["arm"] == "base").sum() == 8 and TEXT in index.read(0).text


def test_files_that_cannot_be_used(run_dir, tmp_path):
    with pytest.raises(BadInput, match="no traces/<arm>/<set>.jsonl"):
        read_index(tmp_path / "empty")
    index, path = read_index(run_dir), run_dir / "traces/base/benchmark.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(reversed(lines)))
    with pytest.raises(BadInput, match="benchmark.jsonl:1: .*run the notebook again"):
        index.read(0)
    path.write_text("".join(lines) + lines[2])
    with pytest.raises(BadInput, match="benchmark.jsonl:9: .*already; remove"):
        read_index(run_dir)
    path.write_text("".join(lines[:2]) + "{}\n")
    with pytest.raises(BadInput, match="benchmark.jsonl:3: not a trace"):
        read_index(run_dir)


@pytest.mark.parametrize("given", [{"arms": ["nobody"]}, {"trace": "traces/base/benchmark.jsonl:99"}])
def test_an_arm_or_trace_that_is_not_there(run_dir, given):
    with pytest.raises(BadInput, match="there|give file:line"):
        explore(run_dir, **given)


def test_filters(run_dir):
    index = read_index(run_dir)
    counts = Counts(index)
    counts.ask(list(index.table["file"].unique()))
    counts.wait()
    rows = index.table

    def count(**chosen) -> int:
        return int(passing(rows, Filters(**chosen), counts.array, Search(index).holding).sum())

    assert count() == 18 and count(verdict="correct") == 2 + 5 and count(verdict="not graded") == 2
    assert count(ending="cut off") == 1 and count(ending="finished") == 16
    assert count(length=(0, 10)) == 9 and count(behaviour="backtracking") == 1 and count(behaviour="verification") == 18


def test_counts_are_kept_for_the_file_as_it_is(run_dir, monkeypatch):
    counts = Counts(read_index(run_dir))
    counts.ask(["traces/base/benchmark.jsonl"])
    counts.wait()
    assert (counts.array >= 0).all(1).sum() == 8 and len(list(run_dir.glob("explorer/*.csv"))) == 1
    monkeypatch.setattr("longcot.report.explorer.counts._counted", None)  # whoever counts again fails
    again = Counts(read_index(run_dir))
    again.ask(["traces/base/benchmark.jsonl"])
    again.wait()
    assert (again.array == counts.array).all()


def test_a_large_file_is_counted_by_processes(run_dir, monkeypatch):
    monkeypatch.setattr("longcot.report.explorer.counts.LARGE", 0)
    index = read_index(run_dir)
    large = Counts(index)
    large.ask(["traces/good/training.jsonl"])
    large.wait()
    rows = index.table.index[index.table["file"] == "traces/good/training.jsonl"]
    assert (large.array[rows].sum(1) > 0).all() and large.array[rows, BEHAVIOURS.index("backtracking")].sum() == 1


def test_reading_begins_where_two_arms_part(reader):
    assert reader.chosen == ["base", "good"] and reader.problem_id == "p0"
    assert "✗ wrong" in shown(reader)[0] and len(reader.table) == 4
    reader.next.click()
    reader.next.click()
    assert reader.problem_id == "p2" and "Problem 2?" in reader.problem.value
    reader.previous.click()
    reader.listed.children[0].selected_rows = [3]
    assert reader.problem_id == "p3" and "✓ correct" in shown(reader)[0] and "✗ wrong" in shown(reader)[1]
    reader.next.click()
    assert reader.problem_id == "p0"


def test_arms_that_disagree(reader):
    reader.wrong_in.value, reader.right_in.value = "base", "good"
    assert list(reader.table.index) == ["p0", "p1", "p2"]
    assert ["✗ wrong" in shown(reader)[0], "✓ correct" in shown(reader)[1]] == [True, True]
    reader.wrong_in.value, reader.right_in.value = "good", "base"
    assert list(reader.table.index) == ["p3"] and reader.chosen == ["good", "base"]
    reader.verdict.value = "not graded"
    assert len(reader.table) == 0 and "Nothing passes" in reader.problem.value and not shown(reader)


def test_samples_that_pass_are_marked_and_read_first(reader):
    reader.arms.value = ("good",)
    reader.verdict.value = "wrong"
    assert list(reader.table.index) == ["p0", "p3"]
    (column,) = reader.side.children
    assert [label for label, _ in column.children[1].options] == [
        "sample 0, correct, 10 tokens, finished",
        "● sample 1, wrong, 20 tokens, finished",
    ]
    assert "✗ wrong" in shown(reader)[0]
    column.children[1].value = column.children[1].options[0][1]
    assert "✓ correct" in shown(reader)[0]


def test_words_are_looked_for_in_the_texts(reader):
    reader.words.value = "So  \\BOXED{5}. 1"
    assert len(reader.table) == 4 and int(reader.kept.sum()) == 8
    assert "Filters: text holds So  \\BOXED{5}. 1." in reader.found.value
    assert ["sample 1" in dict(map(reversed, column.menu.options))[column.row] for column in reader.columns[:2]]
    reader.words.value = "not there"
    assert len(reader.table) == 0
    reader.reset.click()
    assert len(reader.table) == 4 and not reader.words.value and reader.reset.disabled


def test_stepping_goes_through_the_order_shown_also_by_keys(reader):
    reader.order.value = "good: % correct, highest"
    assert list(reader.table.index) == ["p1", "p2", "p0", "p3"] and reader.problem_id == "p0"
    for time, (key, expected) in enumerate((("j", "p3"), ("j", "p1"), ("k", "p3"))):
        reader.keyboard.pressed = [key, time]
        assert reader.problem_id == expected
    first = reader.columns[0]
    before = first.row
    reader.keyboard.pressed = ["]", 1]
    assert first.row != before and "traces/base/benchmark.jsonl:8" in shown(reader)[0]


def test_a_trace_by_its_place(reader):
    reader.verdict.value = "wrong"
    reader.place.value = "traces/good/training.jsonl:1"
    assert reader.set.value == "training" and reader.chosen == ["good"] and not reader.verdict.value
    assert "backtracking 1" in shown(reader)[0] and "ended by <code>length" in shown(reader)[0]
    reader.place.value = "traces/<b>:1"
    assert "traces/&lt;b&gt;:1: no trace there" in reader.progress.value


def test_a_file_that_changes_while_it_is_read(reader, run_dir):
    path = run_dir / "traces/base/benchmark.jsonl"
    path.write_text("\n" * 9 + path.read_text())
    reader.next.click()
    assert "run the notebook again" in shown(reader)[0] and "✓ correct" in shown(reader)[1]


def test_no_more_arms_than_can_be_read(tmp_path):
    for arm in range(MOST + 2):
        write_traces(tmp_path / f"traces/arm{arm}/benchmark.jsonl", [trace(0, 0, True)])
    index = read_index(tmp_path)
    reader = Reader(index, *first_view(index, [f"arm{i}" for i in range(MOST + 2)], ""))
    assert len(shown(reader)) == MOST and f"of {MOST + 2} arms the first {MOST}" in reader.found.value


def test_the_answer_and_behaviours_are_marked():
    both = trace(0, 0, True, text="I get \\boxed{4}. Wait, no. So $\\boxed{5}$, then \\boxed{7}")
    html = page.card(both)
    assert '<mark class="final-answer" title="final answer"><math>' in html and html.count("final answer") == 1
    assert '<mark class="backtracking" title="backtracking">Wait, no</mark>' in html
    assert "backtracking" not in page.card(both, ()).split("reading")[1]
    assert set(page.LOOKS) == {*BEHAVIOURS, page.ANSWER}
    begun = trace(0, 0, True, given_tokens=3, given_characters=9)
    assert "10 tokens after 3 that were given, " in page.card(begun) and "given" not in page.card(both)
