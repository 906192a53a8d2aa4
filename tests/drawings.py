"""What every drawing must hold to."""


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
