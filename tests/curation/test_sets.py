import json
from collections import Counter

import pytest
from synthetic_pools import make_arm, make_pools
from test_figures import texts_apart

from longcot import figures
from longcot.curation import pool_tables as analysis
from longcot.curation import set_tables as sets
from longcot.curation.pool import read_pool
from longcot.curation.task import curate_arms
from longcot.files.errors import BadInput
from longcot.problems.sources import load_problems
from longcot.traces.trace import read_traces


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run directory, arms, the pools measured, what curation did)."""
    run = tmp_path_factory.mktemp("run")
    given = make_pools(run)
    arms = given["arms"]
    pool = read_pool(load_problems(**given["problems"]), run / given["difficulty_traces"])
    files = {arm["teacher"]: arm["traces"] for arm in arms}
    table = analysis.pools_table(run, files, pool, analysis.common_ruler([run / file for file in files.values()]))
    return run, arms, table, curate_arms(arms, pool, given["prompt"], given["difficulty_traces"], run)


def test_every_fate_is_counted_once(made):
    _, arms, _, curated = made
    fates = sets.fates_table(arms, curated)
    assert list(fates["set"].unique()) == ["length: long and 1 more", "short-easy", "short-hard"]
    for name, traces in (("length: long and 1 more", 96), ("short-easy", 80), ("short-hard", 80)):
        own = fates[fates["set"] == name]
        assert own["traces"].sum() == traces and own["share"].sum() == pytest.approx(1)
        assert own["fate"].iloc[-1] == "left"
    assert fates.query("fate == 'no_loop'")["traces"].item() > 0 < fates.query("fate == 'only'")["traces"].min()


def test_what_one_arm_of_a_set_leaves_is_left(made):
    run, arms, _, curated = made
    one = [arm | {"condition": {"levels": "ends"}} for arm in arms[3:]]
    fates = sets.fates_table(one, curated[3:]).set_index("fate")["traces"]
    left = sum(len(filtered.kept) for _, filtered in curated[3:])
    assert fates["left"] == left and fates.sum() == 80, "the pool of both is counted once"


def test_members_are_the_traces_of_the_files(made):
    run, arms, table, curated = made
    members = sets.members_table(table, arms, curated, run)
    sizes = members.groupby(["set", "part"]).size()
    assert sizes["length: long", "pool"] == 96 and sizes["length: long", "chosen"] == 12
    assert sizes["length: long", "left"] == len(curated[0][1].kept) < 96
    rows = [json.loads(line) for line in (run / arms[2]["training_set"]).open()]
    chosen = table.loc[members.query("set == 'long-hard' and part == 'chosen'")["row"]]
    assert list(zip(chosen["problem_id"], chosen["sample"], strict=True)) == [
        (row["problem_id"], row["sample"]) for row in rows
    ]
    spreads = sets.spread_table(members, table, ["words", "base_pass_rate"])
    hard = spreads.query("set == 'long-hard' and measure == 'base_pass_rate'").set_index("part")
    assert hard.loc["chosen", "p95"] == 0 < hard.loc["left", "p95"] and hard.loc["left", "traces"] == sizes.iloc[1]


def test_a_chosen_trace_is_found_by_file_and_line(made):
    run, arms, table, curated = made
    traces = sets.chosen_traces(arms[0], curated[0][1], run)
    shown = sets.chosen_table(table, traces, arms[0]["traces"], "words")
    for row, trace in zip(shown.itertuples(), traces, strict=True):
        file, line = row.trace.rsplit(":", 1)
        assert read_traces(run / file)[int(line) - 1] == trace
        assert row.words == len(trace.text.split()) and row.subject in row.problem
    assert shown["verification_per_1000_words"].min() > 0


def test_pools_compare_at_equal_problems(made):
    _, _, table, _ = made
    (shared,) = analysis.shared_problems(table, "pool")
    assert Counter(shared["pool"]) == {"long": 80, "short": 80}, "the eight problems of one teacher are left out"
    profile = analysis.profile_table(shared, "pool", ["correct", "words"]).set_index(["pool", "measure"])
    own = shared[shared["pool"] == "long"].groupby("problem_id")["words"].mean()
    row = profile.loc[("long", "words")]
    assert row["mean"] == pytest.approx(own.mean()) and row["problems"] == 40
    assert row["high"] - row["mean"] == pytest.approx(2.0227 * own.std() / 40**0.5, rel=1e-4)
    assert profile.loc[("short", "correct"), "high"] < profile.loc[("long", "correct"), "high"] <= 1


def test_measures_of_several_tokenizers_are_in_words(made):
    run, arms, *_ = made
    files = [run / arm["traces"] for arm in arms]
    assert analysis.common_ruler(files).unit == "words"
    lines = files[0].read_text().splitlines()
    counted = [json.dumps(json.loads(line) | {"completion_tokens": 7}) for line in lines]
    (run / "counted.jsonl").write_text("\n".join(counted) + "\n")
    assert analysis.common_ruler([run / "counted.jsonl"]).unit == "tokens"
    assert analysis.common_ruler([run / "counted.jsonl", files[0]]).unit == "words"


def test_every_figure_is_drawn_without_overlap(made):
    run, arms, table, curated = made
    members = sets.members_table(table, arms, curated, run)
    behaviours = analysis.behaviour_columns(table)
    spreads = sets.spread_table(members, table, ["words", "base_pass_rate", behaviours[0], "second_script"])
    profile = analysis.profile_table(table, "pool", ["correct", "words", "second_script", *behaviours])
    left = members[members["part"] != "pool"].join(table[["level", "words"]], on="row")
    drawn = {
        "filters": figures.filter_fates(sets.fates_table(arms, curated)),
        "spreads": figures.spreads(spreads),
        "places": figures.places(left, "level", "words"),
        "profiles": figures.profiles(profile, "pool"),
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
    run, arms, table, curated = made
    members = sets.members_table(table, arms[2:3], curated[2:3], run)
    left = members[members["part"] != "pool"].join(table[["words"]], on="row")
    figure = figures.places(left.assign(level=None), "level", "words")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["?"]


def test_a_set_without_its_file_is_refused(made):
    run, _, table, curated = made
    with pytest.raises(BadInput, match="nowhere.jsonl: no such file"):
        sets.members_table(table, [make_arm("nowhere", "long")], curated[:1], run)
