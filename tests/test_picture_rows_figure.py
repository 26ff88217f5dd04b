"""Rows of named and unnamed pictures: what is drawn, what is said, what is refused."""

import pytest
import torch
from matplotlib.colors import to_hex

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import GREY, PALETTE

RGB = ("red", "green", "blue")


def images(count: int, size: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


def test_rows_hold_their_pictures_under_their_captions():
    first, second = images(3), images(2, size=6)
    rows = {"supervised": (first, ["a", "b", "c"]), "other": (second, ["?", "? d"])}
    figure = plots.picture_rows(rows, RGB, title="Who sees a name")
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert [len(one) for one in shown] == [4, 4, 4, 6, 6]
    assert (torch.as_tensor(shown[1]) == first[1].permute(1, 2, 0)).all()
    captions = [axes.get_xlabel() for axes in figure.axes]
    assert captions == ["a", "b", "c", "?", "? d"]
    assert figure.alt == (
        "Who sees a name. Rows of satellite images. supervised: a, b, c; other: ?, ? d."
    )


def test_who_is_not_named_differs_by_colour_and_by_line():
    rows = {"": (images(2), ["Forest", "?"])}
    named, unnamed = (
        axes.spines["left"] for axes in plots.picture_rows(rows, RGB).axes
    )
    assert to_hex(named.get_edgecolor()) == PALETTE["vermilion"]
    assert to_hex(unnamed.get_edgecolor()) == GREY
    assert named.get_linestyle() != unnamed.get_linestyle()


def test_nothing_is_cut_off_and_rows_do_not_touch():
    rows = {
        "a rather long name\nof two lines": (images(2), ["one\nmore", "two"]),
        "second": (images(1), ["Residential"]),
    }
    figure = plots.picture_rows(rows, RGB, title="Title")
    figure.draw_without_rendering()
    whole = figure.bbox
    words = [text.get_window_extent() for text in figure.texts]
    words += [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    for box in words:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= whole.x1 and box.y1 <= whole.y1
    below_the_first = min(
        axes.xaxis.label.get_window_extent().y0 for axes in figure.axes[:2]
    )
    assert below_the_first >= figure.axes[2].get_window_extent().y1
    # The name stands left of its first picture
    assert figure.texts[0].get_window_extent().x1 <= figure.axes[0].bbox.x0


@pytest.mark.parametrize(
    "rows", [{}, {"a": (images(2), ["one"])}, {"a": (images(0), [])}]
)
def test_rows_without_pictures_or_captions_are_refused(rows: dict):
    with pytest.raises(WorkshopError, match="at least one"):
        plots.picture_rows(rows, RGB)
