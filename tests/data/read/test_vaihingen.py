"""Vaihingen: colours, layouts, tiles held out, and the published number of patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.read.files import colours_of
from workshop_lib.data.read.landcover import (
    VAIHINGEN_CLASSES,
    find_tiles,
    mask_of,
    vaihingen_scenes,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE

SHARED = Path(__file__).parents[4] / "shared/data/seg_samples/pseudo_vaihingen_dataset"


def draw(seed, height, width):
    """An image and its mask, some pixels of which do not count."""
    rng = np.random.default_rng(seed)
    mask = rng.choice([*range(6), IGNORE], (height, width)).astype(np.uint8)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8), mask


def areas(root, numbers, size=(40, 30)):
    """Whole areas as ISPRS packs them, with labels as colours."""
    for number in numbers:
        image, mask = draw(number, *size)
        name = f"top_mosaic_09cm_area{number}.tif"
        for folder, pixels in (
            ("images/ISPRS/top", image),
            ("labels", colours_of(mask)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / name)
    # What the images' archive holds of labels is no image
    (root / "images/ISPRS/gts_for_participants").mkdir()
    Image.fromarray(colours_of(mask)).save(
        root / "images/ISPRS/gts_for_participants" / name
    )
    return root


@given(st.integers(0, 999))
def test_colours_and_numbers_go_back_and_forth(seed):
    _, mask = draw(seed, 7, 5)
    assert np.array_equal(mask_of(colours_of(mask)), mask)


def test_the_colours_by_hand():
    white, blue, red, pink = [255] * 3, [0, 0, 255], [255, 0, 0], [255, 0, 254]
    colours = np.array([[white, blue], [red, pink]], np.uint8)
    assert mask_of(colours).tolist() == [[0, 1], [5, IGNORE]]
    assert VAIHINGEN_CLASSES[0] == "impervious" and VAIHINGEN_CLASSES[5] == "clutter"


def test_whole_areas_become_patches_with_masks(tmp_path):
    scenes = vaihingen_scenes(areas(tmp_path, (3, 15)), (3, 15), size=16)
    assert scenes.images.dtype == torch.uint8 and scenes.bands == (
        "nir",
        "red",
        "green",
    )
    assert scenes.mask_names == VAIHINGEN_CLASSES
    for i, name in enumerate(scenes.names):
        tile = int(scenes.metadata["tile"][i])
        row, col = int(scenes.metadata["row"][i]), int(scenes.metadata["col"][i])
        image, mask = draw(tile, 40, 30)
        assert name == f"top_mosaic_09cm_area{tile}/{row:05d}_{col:05d}"
        part = image[row : row + 16, col : col + 16].transpose(2, 0, 1)
        assert np.array_equal(scenes.images[i].numpy(), part)
        assert np.array_equal(
            scenes.masks[i].numpy(), mask[row : row + 16, col : col + 16]
        )


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(WorkshopError, match="no image"):
        find_tiles(tmp_path)
    areas(tmp_path, (3,))
    with pytest.raises(WorkshopError, match="lacks the areas 15"):
        vaihingen_scenes(tmp_path, (3, 15), size=16)
    (tmp_path / "labels/top_mosaic_09cm_area3.tif").unlink()
    with pytest.raises(WorkshopError, match="no labels for top_mosaic_09cm_area3"):
        find_tiles(tmp_path)


def pieces(root, label):
    image, _ = draw(1, 32, 32)
    for folder, pixels in (("img_dir/train", image), ("ann_dir/train", label)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / folder / "area1_0_0_32_32.png")
    return root


def test_pieces_with_numbers_as_labels(tmp_path):
    label = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32) % 7
    scenes = vaihingen_scenes(pieces(tmp_path, label), (1,), size=32)
    expected = np.where(label == 0, IGNORE, label - 1)
    assert np.array_equal(scenes.masks[0].numpy(), expected)
    label[0, 0] = 9
    with pytest.raises(WorkshopError, match="from 0 to 8 in a map of 6"):
        vaihingen_scenes(pieces(tmp_path, label), (1,), size=32)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/seg_samples")
def test_a_real_piece():
    scenes = vaihingen_scenes(SHARED, (1,))
    # 512 pixels: patches at 0, 153, and the last pulled back to 256
    assert scenes.names[:4] == tuple(
        f"area1_0_0_512_512/00000_{col:05d}" for col in (0, 153, 256)
    ) + ("area1_0_0_512_512/00153_00000",)
    assert scenes.images.shape == (9, 3, 256, 256)
    known = scenes.masks[scenes.masks != IGNORE]
    assert set(known.tolist()) == {0, 1, 2, 3, 4}
    # The corner, without overlap: counted in the label image itself
    corner = np.asarray(Image.open(next(SHARED.glob("ann_dir/*.png"))))[:256, :256]
    assert (scenes.masks[0] == IGNORE).sum() == (corner == 0).sum()
    assert (scenes.masks[0] == 1).sum() == (corner == 2).sum() > 0
