"""A hill under a radar: the picture is computed, and mirrored."""

import numpy as np
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.plots import describe, sar_geometry
from workshop_lib.plots.side_look import _HILL, _TOP, _X, _picture


def test_the_slope_that_faces_the_radar_is_bright_and_the_other_one_dark():
    strip = _picture(np.deg2rad(40), pixels=100)
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
    np.testing.assert_allclose(_picture(angle, pixels), twin, atol=0.05)


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


def test_a_beam_from_straight_above_is_no_radar():
    for degrees in (0, 75):
        with pytest.raises(WorkshopError, match="20 to 60 degrees"):
            sar_geometry(degrees=degrees)
