"""The faithful pool against what Pillow returned for the same images."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from workshop_lib.augment import Weak
from workshop_lib.augment.pillow_randaugment import (
    POOL,
    RandAugmentMC,
    _values,
    apply_operation,
    cutout_pixels,
)

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
GOLDEN = ROOT / "tests/golden"
FILES = ("32x32", "45x61_photo", "45x61_geom")
CASE = re.compile(r"(?P<name>[A-Za-z]+)(_v(?P<level>\d))?(_(?P<sign>pos|neg))?$")


def golden(which: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"randaugment_{which}.npz", allow_pickle=False) as file:
        return dict(file)


def to_batch(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]  # (1, 3, H, W)


def to_pixels(images: Tensor) -> np.ndarray:
    return images[0].permute(1, 2, 0).numpy()  # (H, W, 3)


def apply_case(case: str, images: Tensor) -> Tensor:
    """Apply an operation named like the golden keys: `Rotate_v7_neg`."""
    match = CASE.match(case)
    assert match is not None, case
    level = torch.tensor([int(match["level"] or 1)])
    sign = torch.tensor([-1 if match["sign"] == "neg" else 1])
    return apply_operation(match["name"], images, level, sign)


def operation_cases() -> list[tuple[str, str]]:
    return [
        (which, key)
        for which in FILES
        for key in sorted(golden(which))
        if key.split("_")[0] in POOL
    ]


@pytest.mark.parametrize(("which", "case"), operation_cases())
def test_operation_equals_golden(which: str, case: str) -> None:
    data = golden(which)
    result = to_pixels(apply_case(case, to_batch(data["image"]))).astype(int)
    difference = np.abs(result - data[case].astype(int))
    name = case.split("_")[0]
    if name in ("Rotate", "ShearX", "ShearY"):  # pixels on a rounding edge
        assert (difference.max(axis=2) > 0).mean() <= 0.02
    elif name in ("Brightness", "Color", "Contrast", "Sharpness"):
        assert difference.max() <= 1
    else:
        assert difference.max() == 0


def test_values_of_the_levels_equal_golden() -> None:
    data = golden("32x32")
    assert set(POOL) == set(data["pool_names"].tolist())
    levels = torch.arange(1, 10)
    for name, expected in zip(
        data["pool_names"].tolist(), data["values_v1_to_9"], strict=True
    ):
        if not np.isnan(expected).any() and not name.startswith("Translate"):
            np.testing.assert_allclose(_values(name, levels, 0), expected, rtol=1e-6)


@pytest.mark.parametrize("which", ["32x32", "45x61_geom"])
@pytest.mark.parametrize("j", range(5))
def test_cutout_equals_golden(which: str, j: int) -> None:
    data = golden(which)
    centre = torch.from_numpy(data["cutout_centres"][j : j + 1])
    size = int(data["cutout_size"])
    result = cutout_pixels(to_batch(data["image"]), centre, size)
    np.testing.assert_array_equal(to_pixels(result), data[f"CutoutAbs16_{j}"])


@pytest.mark.parametrize("which", ["32x32", "45x61_geom"])
@pytest.mark.parametrize("j", range(4))
def test_sequence_equals_golden(which: str, j: int) -> None:
    data = golden(which)
    images = to_batch(data["image"])
    for case in data[f"seq{j}_ops"].tolist():
        if not case.startswith("("):  # "(second op not applied)"
            images = apply_case(case, images)
    centre = torch.from_numpy(data[f"seq{j}_cutout_centre"][None])
    result = to_pixels(cutout_pixels(images, centre, 16))
    differs = (result != data[f"seq{j}"]).any(axis=2)
    assert differs.mean() <= 0.02


@pytest.mark.parametrize("name", sorted(POOL))
def test_batch_equals_one_by_one(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (9, 3, 21, 34), generator=generator).to(torch.uint8)
    level = torch.arange(1, 10)
    sign = torch.tensor([1, -1, 1, -1, 1, -1, 1, -1, 1])
    together = apply_operation(name, images, level, sign)
    for i in range(9):
        one = slice(i, i + 1)
        alone = apply_operation(name, images[one], level[one], sign[one])
        assert torch.equal(together[one], alone)


def test_augmentation_mixes_operations_per_image() -> None:
    images = torch.full((200, 3, 16, 16), 200 / 255)
    images[:, :, ::2] = 40 / 255
    augmentation = RandAugmentMC(weak=Weak(0.0, "none"))
    result = augmentation(images, torch.Generator().manual_seed(0))
    hidden = (result == 127 / 255).all(dim=1)  # (B, H, W)
    assert hidden.flatten(1).any(dim=1).all()  # each image gets a box
    visible = torch.where(hidden[:, None], images, result)
    unchanged = (visible == images).flatten(1).all(dim=1).float().mean()
    # A quarter gets no operation; more here, as identity, and equalising two even
    # halves, change nothing, while posterising 40 and 200 keeps both.
    assert 0.2 < unchanged < 0.7


def test_float_images_return_eight_bit_levels() -> None:
    images = torch.rand(6, 3, 33, 45, generator=torch.Generator().manual_seed(0))
    levels = 255 * RandAugmentMC()(images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
