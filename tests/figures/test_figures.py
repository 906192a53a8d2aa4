import pytest
from matplotlib.colors import to_hex
from synthetic_study import ARMS, make_study

from longcot import figures, tables
from longcot.figures.style import PALETTE, arm_looks
from longcot.problems.sources import load_problems

IMPORTED = [("model one", "model one", 0, "", 0.4, 300), ("a model of a much longer name", "two", 0, "", 0.6, 4000)]


def draw(folder, arms):
    """Every figure of a study with its table."""
    given = make_study(folder, arms, count=32)
    benchmark = load_problems(**given["problems"])
    main = given["arms"][0]["name"]
    results = tables.read_results(folder, given["arms"], benchmark, main)
    scores, parts = tables.arms_table(results), tables.breakdown_table(results, benchmark)
    lengths, losses = tables.lengths_table(results), tables.loss_table(results)
    compared, by_traces = tables.differences_table(results), tables.by_traces_table(results)
    samples, votes = tables.pass_at_k_table(results), tables.votes_table(results)
    shown, trained = tables.behaviours_table(results), tables.properties_table(results, folder)
    return {
        "ranked": (figures.ranked_arms(scores), scores),
        "traces": (figures.accuracy_by_traces(by_traces), by_traces),
        "parts": (figures.accuracy_by_part(parts), parts),
        "lengths": (figures.response_lengths(lengths), lengths),
        "differences": (figures.differences(compared, main), compared),
        "pass@k": (figures.pass_at_k(samples), samples),
        "votes": (figures.votes(votes), votes),
        "behaviours": (figures.behaviours(shown), shown),
        "properties": (figures.accuracy_by_property(trained), trained),
        "losses": (figures.training_loss(losses), losses),
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The figures of a study of eleven arms."""
    return draw(tmp_path_factory.mktemp("study"), ARMS)


def texts_apart(figure):
    """Every text lies within the figure, no two texts on each other, and none is the source of a formula."""
    figure.draw_without_rendering()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += axes.texts
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            assert not any("$" in label.get_text() for label in axis.get_ticklabels(which="both"))
            found += [axis.label, *(tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text() and text.get_visible()]
    assert boxes
    for name, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1, name
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, name
    for i, (name, box) in enumerate(boxes):
        for other, second in boxes[:i]:
            across = min(box.x1, second.x1) - max(box.x0, second.x0)
            along = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert min(across, along) < 2 or name == other, (name, other)


def test_texts_within_the_figure_and_apart(drawn):
    for figure, _ in drawn.values():
        texts_apart(figure)


def test_a_study_without_fine_tuned_arms(tmp_path):
    for figure, table in draw(tmp_path, IMPORTED).values():
        texts_apart(figure)
        figures.save_figure(figure, table, tmp_path / "figures/x")


def test_one_colour_a_source_and_hollow_unless_fine_tuned(drawn):
    for name in ("ranked", "differences"):
        figure, table = drawn[name]
        if name == "ranked":
            table = table.sort_values("pass_at_1", ascending=False, kind="stable")
        points = [bars.lines[0] for bars in figure.axes[0].containers]
        for point, (_, arm) in zip(points, table.iterrows(), strict=True):
            if arm["source"] and not arm["n_train"]:
                assert to_hex(point.get_color()) == PALETTE[["reasoner", "instruct"].index(arm["source"])].lower()
            assert (point.get_markerfacecolor() == "white") == (arm["role"] != "fine-tuned")
    labels = drawn["parts"][0].axes[0].get_yticklabels()
    assert {label.get_text(): label.get_color() for label in labels}["instruct-20 (n = 20)"] == PALETTE[1]


def test_an_arm_looks_the_same_in_every_figure(drawn):
    """Whatever other arms a table shows; and no two arms look alike."""
    looks = arm_looks(drawn["ranked"][1])
    for name in ("differences", "losses", "votes", "traces"):
        for arm, look in arm_looks(drawn[name][1]).items():
            assert look == looks[arm], (name, arm)
    seen = [tuple(look.values()) for look in looks.values()]
    assert len(set(seen)) == len(seen) == len(ARMS)


def test_one_sample_a_problem_is_said_in_a_line(tmp_path):
    given = make_study(tmp_path, ARMS[:2], count=8, samples=1)
    results = tables.read_results(tmp_path, given["arms"], load_problems(**given["problems"]), "base")
    for figure in (figures.pass_at_k(tables.pass_at_k_table(results)), figures.votes(tables.votes_table(results))):
        (axes,) = figure.axes
        assert not axes.lines and axes.texts[0].get_text().startswith("One sample a problem: ")


def test_accuracy_by_traces_starts_at_the_base_and_goes_through_means(drawn):
    figure, table = drawn["traces"]
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 5)
    means = table[table["arm"].isin(["reasoner-20-a", "reasoner-20-b", "reasoner-20-c"])]["pass_at_1"].mean()
    assert list(line.get_xdata()) == [0, 1, 5, 20, 50]
    assert line.get_ydata()[0] == table["pass_at_1"][0] and line.get_ydata()[3] == pytest.approx(means)


def test_saved_three_ways_and_the_same_twice(drawn, tmp_path):
    figure, table = drawn["ranked"]
    written = []
    for folder in ("one", "two"):
        assert figures.save_figure(figure, table, tmp_path / folder / "ranked.v1") is figure
        files = sorted((tmp_path / folder).iterdir())
        assert [file.name for file in files] == ["ranked.v1.csv", "ranked.v1.pdf", "ranked.v1.png"]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert written[0][0].startswith(b"arm,source,role,n_train,model,pass_at_1,")
