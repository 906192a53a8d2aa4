import pytest
from synthetic_study import ARMS, make_study, read_study

from longcot.figures import accuracy_by_part, ranked_arms
from longcot.figures.published import claims_table, rows_table, sources_text
from longcot.files.errors import BadInput
from longcot.problems.sources import load_problems
from longcot.study.published import Counterparts, check_published, read_published
from longcot.study.reading import load_study

NAMES = [arm[0] for arm in ARMS]
BESIDE = Counterparts(
    benchmark="Comp-Math-24-25",
    rows={"human-stage1": ["instruct-20", "reasoner-1"]},
    claims={"beats-larger": {"arms": ["reasoner-20-a"], "than": "instruct"}},
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    given = make_study(folder, count=16)
    benchmark = [p.model_copy(update={"subset": "aime24"}) for p in load_problems(**given["problems"])]
    return read_study(given), benchmark


def test_every_figure_has_its_source():
    published = read_published()
    assert all(source.url.startswith("https://") for source in published.sources.values())
    assert sources_text().count("<https://") == len(published.sources)
    stage1 = {score.benchmark: score.pass_at_1 for score in published.rows["human-stage1"].scores}
    assert stage1["Comp-Math-24-25"] == 5.60 and stage1["aime24"] == 9.27


def test_published_beside_ours(results):
    scores, parts = ranked_arms.table(results[0]), accuracy_by_part.table(*results)
    table = rows_table(BESIDE, scores, parts)
    own = table[table["benchmark"] == "Comp-Math-24-25"].set_index("arm")
    ours = scores.set_index("arm")
    assert own.loc["instruct-20", "pass_at_1_here"] == ours.loc["instruct-20", "pass_at_1"]
    assert (own.loc["reasoner-1", "pass_at_1"], own.loc["reasoner-1", "maj"]) == pytest.approx((0.056, 0.1289))
    subset = table[(table["benchmark"] == "aime24") & (table["arm"] == "instruct-20")]
    assert subset["pass_at_1"].tolist() == pytest.approx([0.0927]), "a subset beside the subset's row"
    elsewhere = table[table["published"] == "QwQ-32B"]
    assert len(elsewhere) == 3 and elsewhere["pass_at_1_here"].isna().all(), "nobody has measured it here"
    assert rows_table(Counterparts(rows=BESIDE.rows), scores, parts)["arm"].isna().all(), (
        "another benchmark is no row's"
    )


def test_claims_beside_ours(results):
    table = claims_table(BESIDE, results[0])
    assert len(table) == len(read_published().claims)
    row = table.iloc[0]
    assert (row["arm"], row["than"]) == ("reasoner-20-a", "instruct")
    assert row["difference"] == pytest.approx(row["pass_at_1"] - row["pass_at_1_than"])
    assert row["low"] < row["difference"] < row["high"]
    assert table.iloc[1:][["arm", "difference"]].isna().all(axis=None), "a claim that no arm answers to stays empty"
    assert claims_table(Counterparts(), results[0])["the paper"].tolist() == table["the paper"].tolist()


def test_a_study_names_what_is_there():
    check_published(BESIDE, NAMES)
    for changes, said in (
        ({"rows": {"human-stage9": ["base"]}}, "no row 'human-stage9'"),
        ({"rows": {"human-stage1": ["nobody"]}}, "no arm 'nobody'"),
        ({"claims": {"beats-larger": {"arms": ["base"], "than": "nobody"}}}, "no arm 'nobody'"),
        ({"claims": {"none": {"arms": ["base"], "than": "base"}}}, "no claim 'none'"),
    ):
        with pytest.raises(BadInput, match=f"published: {said}; use one of"):
            check_published(Counterparts(**changes), NAMES)


@pytest.mark.parametrize("name", ["miniature", "miniature-world2", "paper"])
def test_the_studies_answer_to_the_claims(name):
    study = load_study(f"params/{name}.yaml")
    check_published(study.published, [arm.name for arm in study.arms])
    assert study.published.claims
    assert bool(study.published.rows) == (name == "paper"), "only the paper's models answer to published rows"
