"""Diagrams: every box with its words, every arrow named."""

from matplotlib.text import Annotation

from workshop_lib import plots
from workshop_lib.plots import Box

BOXES = {
    "S2": Box("S2\n4 bands", 1, 2, kind="data"),
    "net": Box("backbone", 1, 1),
    "class": Box("10 classes", 4, 1, kind="answer"),
    "note": Box("here they meet", 4, 2, kind="word"),
}


def test_boxes_are_where_they_are_told_and_arrows_join_them():
    figure = plots.flow(BOXES, [("S2", "net"), ("net", "class", 0.3)], title="Early")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    words = {t.get_text(): t.get_position() for t in axes.texts if t.get_text()}
    assert words == {box.text: (box.x, box.y) for box in BOXES.values()}
    low, high = axes.get_xlim()
    assert low < 1 - 1.5 / 2 and high > 4 + 1.5 / 2
    arrows = [t for t in axes.texts if isinstance(t, Annotation)]
    assert [(a.xy, a.xyann) for a in arrows] == [((1, 1), (1, 2)), ((4, 1), (1, 1))]
    data, network, answer, word = axes.patches[:4]
    assert {p.get_linewidth() for p in (data, network, answer)} == {1.4, 2.6, 1.8}
    assert word.get_linewidth() == 0
    told = plots.describe(figure)
    assert "S2 (S2 4 bands)" in told
    assert "Arrows from S2 to net; from net to class." in told
