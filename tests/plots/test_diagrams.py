"""Diagrams: every box with its words, an image's way, a hill under a radar."""

import numpy as np
import pytest
from matplotlib.text import Annotation

from workshop_lib import plots
from workshop_lib.plots import Box, describe, sar_geometry
from workshop_lib.plots.diagrams import _HILL, _TOP, _X, radar_image

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


def test_the_way_of_an_image_shows_maps_features_and_the_likeliest_class():
    picture = np.zeros((8, 8, 3), np.uint8)
    maps = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    figure = plots.forward_diagram(picture, maps, [1.0, 2.0], [0.2, 0.8], ("x", "y"))
    figure.draw_without_rendering()
    _, mosaic, strip, classes = figure.axes
    shown = np.ma.filled(mosaic.images[0].get_array(), np.nan)
    assert shown.shape == (5, 5)  # two maps of 2 x 2 a side, and a gap
    assert set(shown[~np.isnan(shown)]) == set(range(12))
    np.testing.assert_array_equal(shown[:2, 3:], maps[1])
    assert strip.images[0].get_array().shape == (2, 1)
    plain, likeliest = classes.patches
    assert likeliest.get_hatch() and not plain.get_hatch()
    assert "y, 80 %" in plots.describe(figure)


def test_the_slope_that_faces_the_radar_is_bright_and_the_other_one_dark():
    strip = radar_image(np.deg2rad(40), pixels=100)
    where = (np.arange(100) + 0.5) / 10  # kilometres
    assert where[strip.argmax()] < _TOP  # on the side of the radar
    assert strip[(where > _TOP) & (where < _TOP + 1)].max() < 0.5
    far = strip[where > 9]
    np.testing.assert_allclose(far, 1, atol=0.02)  # flat ground


def test_a_twin_that_follows_each_piece_of_ground_agrees():
    angle = np.deg2rad(35)
    pixels, counts = 50, np.zeros(50)
    highest = -np.inf
    for k in range(len(_X)):
        before, after = max(k - 1, 0), min(k + 1, len(_X) - 1)
        slope = (_HILL[after] - _HILL[before]) / (_X[after] - _X[before])
        beam = _HILL[k] + _X[k] / np.tan(angle)
        lit, highest = beam >= highest, max(beam, highest)
        power = max(0.0, np.sin(angle) * slope + np.cos(angle)) / np.cos(angle)
        place = int((_X[k] - _HILL[k] / np.tan(angle)) / 10 * pixels)
        if lit and place >= 0:
            counts[min(place, pixels - 1)] += power
    twin = counts / (len(_X) / pixels)
    # Single pieces of ground may fall on the other side of a pixel's border
    np.testing.assert_allclose(radar_image(angle, pixels), twin, atol=0.05)


def test_right_is_left_mirrored():
    figure = sar_geometry()
    above, other, left, right = figure.axes
    one, two = (axes.get_images()[0].get_array() for axes in (left, right))
    assert (one[0] == two[0][::-1]).all()
    assert above.lines[0].get_ydata().max() == other.lines[0].get_ydata().max()
    tops = [axes.lines[0].get_xdata()[0] for axes in (left, right)]
    assert sum(tops) == pytest.approx(10)
    assert tops[0] < _TOP  # the hill leans to the radar
    assert "leans to the radar" in describe(figure)
