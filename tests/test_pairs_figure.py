"""Pairs of images side by side, with captions that a reader hears, too."""

import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.plots import describe, image_pairs

RGB = ("red", "green", "blue")


def some(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, 9, 8), generator=generator).to(torch.uint8)


@pytest.mark.parametrize(("count", "axes"), [(1, 2), (3, 6), (4, 12)])
def test_every_pair_is_drawn_and_told(count, axes):
    captions = [f"pair {i}\nof two" for i in range(count)]
    figure = image_pairs(some(count), some(count), RGB, captions)
    shown = [a for a in figure.axes if a.get_visible()]
    assert len(figure.axes) == axes and len(shown) == 2 * count
    assert all(f"pair {i}, of two" in describe(figure) for i in range(count))
    assert [a.texts[0].get_text() for a in shown[::2]] == captions
    assert all((a.get_images()[0].get_array().shape == (9, 8, 3)) for a in shown)
    figure.draw_without_rendering()
    left, right = (a.get_window_extent() for a in shown[:2])
    assert right.x0 - left.x1 < 0.3 * left.width  # the caption drives none apart
    below = shown[-2].texts[0].get_window_extent()
    assert below.y0 > 0  # nor is it cut off


def test_no_pairs_or_uneven_ones():
    with pytest.raises(WorkshopError, match="0 and 0 images"):
        image_pairs(some(0), some(0), RGB, [])
    with pytest.raises(WorkshopError, match="2 and 1 images, 2 captions"):
        image_pairs(some(2), some(1), RGB, ["a", "b"])
