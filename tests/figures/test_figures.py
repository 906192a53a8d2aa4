"""Every figure of a made-up study as notebook 04 draws it: nothing overlaps, an arm looks the same in all."""

import re

import pytest
from drawings import texts_apart
from matplotlib.colors import to_hex
from notebook_cells import run_cells
from synthetic_study import ARMS, make_study, read_study

from longcot.figures import pass_at_k, ranked_arms, show, votes
from longcot.figures.show import save_figure, show_figure
from longcot.figures.style import PALETTE, arm_looks
from longcot.files.errors import BadInput
from longcot.files.paths import ROOT

IMPORTED = [("model one", "model one", 0, "", 0.4, 300), ("a model of a much longer name", "two", 0, "", 0.6, 4000)]


def draw(folder, arms):
    """Every figure of a study with its table, by name."""
    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show, "display", lambda figure: None)
        patch.setattr(show, "save_figure", lambda figure, table, stem: drawn.update({stem.name: (figure, table)}))
        run_cells("04_plot_evaluation", make_study(folder, arms, count=32))
    return drawn


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The figures of a study of eleven arms."""
    return draw(tmp_path_factory.mktemp("study"), ARMS)


def test_texts_within_the_figure_and_apart(drawn):
    for figure, _ in drawn.values():
        texts_apart(figure)


def test_a_study_without_fine_tuned_arms(tmp_path):
    drawn = draw(tmp_path, IMPORTED)
    assert not drawn.keys() & {"accuracy_by_traces", "accuracy_by_property", "training_loss", "conditions"}
    assert drawn.keys() >= {"ranked_arms", "differences", "votes", "response_lengths", "behaviours"}
    for figure, table in drawn.values():
        texts_apart(figure)
        save_figure(figure, table, tmp_path / "figures/x")


def test_one_colour_a_source_and_hollow_unless_fine_tuned(drawn):
    ranked = drawn["ranked_arms"][1].sort_values("pass_at_1", ascending=False, kind="stable")
    order = list(ranked["arm"])
    for name in ("ranked_arms", "differences"):
        figure, table = drawn[name]
        table = table.set_index("arm", drop=False).loc[[arm for arm in order if arm in set(table["arm"])]]
        points = [bars.lines[0] for bars in figure.axes[0].containers]
        for point, (_, arm) in zip(points, table.iterrows(), strict=True):
            if arm["source"] and not arm["n_train"]:
                assert to_hex(point.get_color()) == PALETTE[["reasoner", "instruct"].index(arm["source"])].lower()
            assert (point.get_markerfacecolor() == "white") == (arm["role"] != "fine-tuned")
    for name in ("accuracy_by_part", "behaviours", "response_lengths"):
        names = [text.get_text().split(" (")[0] for text in drawn[name][0].axes[0].get_yticklabels()]
        assert names == order, "one order everywhere"
    labels = drawn["accuracy_by_part"][0].axes[0].get_yticklabels()
    assert {label.get_text(): label.get_color() for label in labels}["instruct-20 (n = 20)"] == PALETTE[1]


def test_an_arm_looks_the_same_in_every_figure(drawn):
    """Whatever other arms a table shows; and no two arms look alike."""
    looks = arm_looks(drawn["ranked_arms"][1])
    for name in ("differences", "training_loss", "votes", "accuracy_by_traces"):
        for arm, look in arm_looks(drawn[name][1]).items():
            assert look == looks[arm], (name, arm)
    seen = [tuple(look.values()) for look in looks.values()]
    assert len(set(seen)) == len(seen) == len(ARMS)


def test_an_arm_looks_the_same_whatever_arms_are_beside_it(tmp_path):
    """Its marker and its colour go by its place in the study, also where only some of the study's arms are shown."""
    results = read_study(make_study(tmp_path, count=8))
    every, two = (arm_looks(ranked_arms.table(own)) for own in (results, [results[0], results[7]]))
    assert two == {arm: every[arm] for arm in ("base", "instruct-20")}


def test_one_sample_a_problem_has_no_curve(tmp_path):
    results = read_study(make_study(tmp_path, ARMS[:2], count=8, samples=1))
    assert pass_at_k.table(results).empty and votes.table(results).empty


def test_accuracy_by_traces_starts_at_the_base_and_goes_through_means(drawn):
    figure, table = drawn["accuracy_by_traces"]
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 5)
    means = table[table["arm"].isin(["reasoner-20-a", "reasoner-20-b", "reasoner-20-c"])]["pass_at_1"].mean()
    assert list(line.get_xdata()) == [0, 1, 5, 20, 50]
    assert line.get_ydata()[0] == table["pass_at_1"][0] and line.get_ydata()[3] == pytest.approx(means)


def test_saved_three_ways_and_the_same_twice(drawn, tmp_path):
    figure, table = drawn["ranked_arms"]
    written = []
    for folder in ("one", "two"):
        save_figure(figure, table, tmp_path / folder / "ranked.v1")
        files = sorted((tmp_path / folder).iterdir())
        assert [file.name for file in files] == ["ranked.v1.csv", "ranked.v1.pdf", "ranked.v1.png"]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert written[0][0].startswith(b"arm,source,role,n_train,model,pass_at_1,")


def test_what_is_not_shown_any_more_is_removed(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(show, "display", seen.append)
    curves = read_study(make_study(tmp_path, ARMS[:2], count=8))
    show_figure(tmp_path, "votes", curves)
    show_figure(tmp_path, "votes", curves, each="k")
    names = ["votes", *(f"votes_{k}" for k in (1, 2, 3, 4))]
    endings = ("csv", "pdf", "png")
    written = {f"{name}.{ending}" for name in names for ending in endings}
    assert {file.name for file in (tmp_path / "figures").iterdir()} == written and len(seen) == 5
    one = read_study(make_study(tmp_path, ARMS[:2], count=8, samples=1))
    show_figure(tmp_path, "votes", one, each="k")
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {f"votes.{ending}" for ending in endings}
    show_figure(tmp_path, "votes", one)
    assert not list((tmp_path / "figures").iterdir()) and len(seen) == 5


def test_a_mistyped_figure_is_named(tmp_path):
    with pytest.raises(BadInput, match="no figure 'ranked_arm'; did you mean 'ranked_arms'?"):
        show_figure(tmp_path, "ranked_arm", [])
    with pytest.raises(BadInput, match="no figure 'style'; use accuracy_by_epochs, accuracy_by_part, "):
        show_figure(tmp_path, "style", [])


def test_every_figure_is_shown_in_a_notebook():
    """One file with its table and its drawing, and one line that shows it."""
    files = [(file.stem, file.read_text()) for file in (ROOT / "lib/longcot/figures").glob("*.py")]
    names = {name for name, text in files if "\ndef draw(" in text and "\ndef table(" in text}
    texts = [path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb")]
    lines = [name for text in texts for name in re.findall(r'show_figure\((?:run|one\.folder), \\"(\w+)\\"', text)]
    assert sorted(lines) == sorted(names - {"live_loss"}), "live_loss is shown while it grows"
