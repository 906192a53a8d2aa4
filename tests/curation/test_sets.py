import json
from collections import Counter

import pytest
from drawings import texts_apart
from synthetic_pools import make_pools, make_task

from longcot.curation.pool import read_pool
from longcot.curation.pool_tables import behaviour_columns, common_ruler, pools_table
from longcot.curation.set_tables import chosen_places, chosen_table, chosen_traces, members_table
from longcot.curation.task import CuratedArm, CurateTask, curate_arms
from longcot.figures import curation_filters, curation_places, curation_profiles, curation_spreads
from longcot.files.errors import BadInput
from longcot.files.strict import parse_all
from longcot.problems.sources import load_problems
from longcot.traces.trace import read_traces


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run directory, the pools measured, what curation did)."""
    run = tmp_path_factory.mktemp("run")
    given = make_pools(run)
    tasks, difficulty = parse_all(CurateTask, given["tasks"], "tasks"), given["difficulty_traces"]
    files = {task.data.teacher: task.traces for task in tasks}
    pool = read_pool(run, files.values(), load_problems(**given["problems"]), difficulty)
    return run, pools_table(files, pool, common_ruler(pool)), curate_arms(tasks, pool, difficulty, run)


def test_every_trace_of_a_pool_is_counted_once(made):
    *_, curated = made
    table = curation_filters.table(curated)
    assert list(table["set"].unique()) == ["length: long and 1 more", "short-easy", "short-hard"]
    for name, traces in (("length: long and 1 more", 96), ("short-easy", 80), ("short-hard", 80)):
        own = table[table["set"] == name]
        assert own["traces"].sum() == traces and own["share"].sum() == pytest.approx(1)
        assert own["fate"].iloc[-1] == "left"
    assert table.query("fate == 'no_loop'")["traces"].item() > 0 < table.query("fate == 'only'")["traces"].min()


def test_what_one_arm_of_a_set_leaves_is_left(made):
    *_, curated = made
    changes = {"condition": {"levels": "ends"}}
    one_set = [CuratedArm(one.task.model_copy(update=changes), one.filtered) for one in curated[3:]]
    counts = curation_filters.table(one_set).set_index("fate")["traces"]
    left = sum(len(one.filtered.kept) for one in curated[3:])
    assert counts["left"] == left and counts.sum() == 80, "the pool of both is counted once"


def test_members_are_the_traces_of_the_files(made):
    run, table, curated = made
    members = members_table(table, curated, run)
    sizes = members.groupby(["set", "part"]).size()
    assert sizes["length: long", "pool"] == 96 and sizes["length: long", "chosen"] == 12
    assert sizes["length: long", "left"] == len(curated[0].filtered.kept) < 96
    rows = [json.loads(line) for line in (run / curated[2].task.training_set).open()]
    chosen = table.loc[members.query("set == 'long-hard' and part == 'chosen'")["row"]]
    assert list(zip(chosen["problem_id"], chosen["sample"], strict=True)) == [
        (row["problem_id"], row["sample"]) for row in rows
    ]
    spreads = curation_spreads.table(members, table, ["words", "base_pass_rate"])
    hard = spreads.query("set == 'long-hard' and measure == 'base_pass_rate'").set_index("part")
    assert hard.loc["chosen", "p95"] == 0 < hard.loc["left", "p95"] and hard.loc["left", "traces"] == sizes.iloc[1]


def test_a_chosen_trace_is_found_by_file_and_line(made):
    run, table, curated = made
    traces = chosen_traces(curated[0], run)
    listed = chosen_table(table, chosen_places(curated[0], run), "words")
    for row, trace in zip(listed.itertuples(), traces, strict=True):
        file, line = row.trace.rsplit(":", 1)
        assert read_traces(run / file)[int(line) - 1] == trace
        assert row.words == len(trace.text.split()) and row.subject in row.problem
    assert listed["verification_per_1000_words"].min() > 0


def test_pools_compare_at_equal_problems(made):
    _, table, _ = made
    (shared,) = curation_profiles.shared_problems(table, "pool")
    assert Counter(shared["pool"]) == {"long": 80, "short": 80}, "the eight problems of one teacher are left out"
    profile = curation_profiles.table(table, ["correct", "words"]).set_index(["pool", "measure"])
    assert set(profile["company"]) == {0}
    own = shared[shared["pool"] == "long"].groupby("problem_id")["words"].mean()
    row = profile.loc[("long", "words")]
    assert row["mean"] == pytest.approx(own.mean()) and row["problems"] == 40
    assert row["high"] - row["mean"] == pytest.approx(2.0227 * own.std() / 40**0.5, rel=1e-4)
    assert profile.loc[("short", "correct"), "high"] < profile.loc[("long", "correct"), "high"] <= 1


def test_measures_of_several_tokenizers_are_in_words(made):
    run, _, curated = made
    file = curated[0].task.traces
    assert common_ruler(read_pool(run, [file], [])).unit == "words"
    counted = [json.dumps(json.loads(line) | {"completion_tokens": 7}) for line in (run / file).open()]
    (run / "counted.jsonl").write_text("\n".join(counted) + "\n")
    assert common_ruler(read_pool(run, ["counted.jsonl"], [])).unit == "tokens"
    assert common_ruler(read_pool(run, ["counted.jsonl", file], [])).unit == "words"


def test_every_figure_is_drawn_without_overlap(made):
    run, table, curated = made
    members, behaviours = members_table(table, curated, run), behaviour_columns(table)
    measures = ["words", "base_pass_rate", behaviours[0], "second_script"]
    profiles = curation_profiles.table(table, ["correct", "words", "second_script", *behaviours])
    drawn = {
        "filters": curation_filters.draw(curation_filters.table(curated)),
        "spreads": curation_spreads.draw(curation_spreads.table(members, table, measures)),
        "places": curation_places.draw(curation_places.table(members, table, "words")),
        "profiles": curation_profiles.draw(profiles),
    }
    for figure in drawn.values():
        texts_apart(figure)
    panels = {name: [axes for axes in figure.axes if axes.axison] for name, figure in drawn.items()}
    assert [axes.get_xlabel() for axes in panels["spreads"]] == [
        "words", "base pass rate", "verification\nper 1000 words"
    ], "no panel for what is the same throughout"  # fmt: skip
    assert [axes.get_title() for axes in panels["places"]] == ["length: long", "long-hard", "short-easy", "short-hard"]
    chosen = [line for line in panels["places"][0].lines if line.get_markersize() == 3.2]
    assert [len(line.get_xdata()) for line in chosen] == [6], "one draw of a condition"
    shares = [bar.get_width() for bar in panels["filters"][0].patches]
    assert sum(shares) == pytest.approx(3)


def test_problems_that_state_no_level_stand_apart(made):
    run, table, curated = made
    members, unknown = members_table(table, curated[2:3], run), {"level": None, "base_pass_rate": float("nan")}
    figure = curation_places.draw(curation_places.table(members, table.assign(**unknown), "words"))
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["?"]


def test_traces_that_are_all_alike_are_drawn(made):
    run, table, curated = made
    members = members_table(table, curated[2:3], run)
    figure = curation_spreads.draw(curation_spreads.table(members, table.assign(words=12), ["words"]))
    assert [axes.get_xlabel() for axes in figure.axes if axes.axison] == ["words"]


def test_a_set_without_its_file_is_refused(made):
    run, table, curated = made
    nowhere = CuratedArm(CurateTask.model_validate(make_task("nowhere", "long")), curated[0].filtered)
    with pytest.raises(BadInput, match="nowhere.jsonl: no such file"):
        members_table(table, [nowhere], run)
