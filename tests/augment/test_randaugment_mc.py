"""The faithful pool against what Pillow returned for the same images."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.golden import golden
from workshop_lib.augment import Weak
from workshop_lib.augment.rgb import POOL, RandAugmentMC, apply_operation, gray_square

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
FILES = ("32x32", "45x61_photo", "45x61_geom")
CASE = re.compile(r"(?P<name>[A-Za-z]+)(_v(?P<level>\d))?(_(?P<sign>pos|neg))?$")


def apply_case(case: str, image: Image.Image) -> Image.Image:
    """Apply an operation named like the golden keys: `Rotate_v7_neg`."""
    match = CASE.match(case)
    assert match is not None, case
    sign = -1 if match["sign"] == "neg" else 1
    return apply_operation(match["name"], image, int(match["level"] or 1), sign)


def operation_cases() -> list[tuple[str, str]]:
    return [
        (which, key)
        for which in FILES
        for key in sorted(golden(f"randaugment_{which}"))
        if key.split("_")[0] in POOL
    ]


@pytest.mark.parametrize(("which", "case"), operation_cases())
def test_operation_equals_golden(which: str, case: str) -> None:
    data = golden(f"randaugment_{which}")
    result = apply_case(case, Image.fromarray(data["image"]))
    np.testing.assert_array_equal(np.asarray(result), data[case])


def test_the_pool_is_the_published_one() -> None:
    assert list(POOL) == golden("randaugment_32x32")["pool_names"].tolist()


@pytest.mark.parametrize("which", ["32x32", "45x61_geom"])
@pytest.mark.parametrize("j", range(5))
def test_cutout_equals_golden(which: str, j: int) -> None:
    data = golden(f"randaugment_{which}")
    image = Image.fromarray(data["image"])
    result = gray_square(image, *data["cutout_centres"][j].tolist())
    np.testing.assert_array_equal(np.asarray(result), data[f"CutoutAbs16_{j}"])


@pytest.mark.parametrize("which", ["32x32", "45x61_geom"])
@pytest.mark.parametrize("j", range(4))
def test_sequence_equals_golden(which: str, j: int) -> None:
    data = golden(f"randaugment_{which}")
    image = Image.fromarray(data["image"])
    for case in data[f"seq{j}_ops"].tolist():
        if not case.startswith("("):  # "(second op not applied)"
            image = apply_case(case, image)
    result = gray_square(image, *data[f"seq{j}_cutout_centre"].tolist())
    np.testing.assert_array_equal(np.asarray(result), data[f"seq{j}"])


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
