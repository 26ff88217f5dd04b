"""Sensor values on the screen, and panels of pictures and maps."""

import numpy as np
import pytest
import torch

from workshop_lib import plots

RGB = ("red", "green", "blue")
IMAGES = torch.randint(
    0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0)
).to(torch.uint8)


def test_rgb_passes_unchanged() -> None:
    shown = plots.to_display(IMAGES, RGB)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, IMAGES.permute(0, 2, 3, 1).numpy())


def test_reflectance_is_stretched_by_one_fixed_rule() -> None:
    bands = ("B02", "B03", "B04", "B08")
    images = torch.zeros(2, 4, 3, 5)
    images[0] = torch.tensor([0.05, 0.1, 0.3, 0.25]).view(4, 1, 1)
    shown = plots.to_display(images, bands)
    assert shown.shape == (2, 3, 5, 3)
    expected = [round(255 * (v / 0.3) ** (1 / 1.4)) for v in (0.3, 0.1, 0.05)]
    assert shown[0, 0, 0].tolist() == expected  # red is B04, blue is B02
    assert (shown[1] == 0).all()
    # The other image's brightness does not matter
    alone = plots.to_display(images[:1], bands)
    np.testing.assert_array_equal(alone, shown[:1])
    false = plots.to_display(images, bands, "false colour")
    infrared = round(255 * (0.25 / 0.5) ** (1 / 1.4))
    assert false[0, 0, 0].tolist() == [infrared, 255, expected[1]]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_unknown_bands_are_stretched_into_view(channels: int) -> None:
    images = 1000 + 50 * torch.rand(3, channels, 6, 7)
    shown = plots.to_display(images, [f"x{i}" for i in range(channels)])
    assert shown.shape == (3, 6, 7, 3)
    assert shown.min() == 0 and shown.max() == 255
    flat = plots.to_display(torch.ones(1, channels, 4, 4), ["x"] * channels)
    assert (flat == 0).all()


def test_sar_composite() -> None:
    water = torch.tensor([-24.0, -30.0]).view(1, 2, 1, 1)
    town = torch.tensor([0.0, -6.0]).view(1, 2, 1, 1)
    shown = plots.sar_to_display(torch.cat([water, town]))
    assert shown.shape == (2, 1, 1, 3)
    assert shown[0, 0, 0].tolist()[:2] == [0, 0]
    assert shown[1, 0, 0].tolist() == [255, 255, round(255 * 4 / 12)]


def test_panels_give_sizes_and_ranges() -> None:
    shown = {
        "picture": np.zeros((4, 6, 3), np.uint8),
        "map": np.array([[-2.0, 0.5], [1.0, 0.0]]),
        "positive": np.array([[3.0, 7.0]]),
    }
    figure = plots.panels(shown, title="Three", columns=2)
    notes = [axes.get_xlabel() for axes in figure.axes if axes.images]
    assert notes == ["4 x 6", "2 x 2, \N{MINUS SIGN}2 to 1", "1 x 2, 3 to 7"]
    figure.draw_without_rendering()
    assert "Three" in plots.describe(figure)
    assert "picture (4 x 6)" in plots.describe(figure)
    # White stands at 0 although the map reaches further down than up
    (signed,) = figure.axes[1].images
    assert signed.get_clim() == (-2.0, 2.0)
    assert figure.axes[2].images[0].get_clim() == (3.0, 7.0)


def test_panels_write_numbers_into_small_maps_only() -> None:
    shown = {"filter": np.array([[-1.0, 0.0, 1.5]]), "large": np.zeros((9, 9))}
    small, large = plots.panels(shown, title="t", numbers=True).axes
    assert [t.get_text() for t in small.texts] == ["\N{MINUS SIGN}1", "0", "1.5"]
    assert not large.texts
