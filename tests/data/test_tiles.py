"""Patches: they cover an image, carry masks, and stay apart across a split."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import (
    Tile,
    blocks,
    class_weights,
    cut_scenes,
    offsets,
    stride,
    windows,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE

NAMES = ("water", "forest", "field")
BANDS = ("a", "b")


def tile(height=60, width=70, seed=0, number=0, bands=2, name="scene"):
    draw = np.random.default_rng(seed)
    mask = draw.integers(0, 3, (height, width), dtype=np.uint8)
    image = draw.random((bands, height, width), dtype=np.float32)
    return Tile(name, ArrayImage(image), ArrayImage(mask), number)


def test_patches_are_windows_of_image_and_mask():
    whole = tile()
    scenes = cut_scenes([whole], NAMES, size=16, bands=BANDS)
    assert len(scenes) > 30 and scenes.mask_names == NAMES
    assert scenes.class_names == ("patch",) and set(scenes.labels.tolist()) == {0}
    for i in range(len(scenes)):
        row, col = int(scenes.metadata["row"][i]), int(scenes.metadata["col"][i])
        image = torch.from_numpy(whole.image.read(row, col, 16, 16))
        mask = torch.from_numpy(whole.mask.read(row, col, 16, 16)[0])
        assert torch.equal(scenes.images[i], image)
        assert torch.equal(scenes.masks[i], mask)


@settings(max_examples=25)
@given(st.integers(0, 999), st.sampled_from([0.5, 0.6, 1]))
def test_no_pixel_is_on_two_sides_of_a_split_by_block(seed, factor):
    scenes = cut_scenes(
        [tile(96, 96, seed)], NAMES, size=16, overlap_factor=factor, block=24,
        bands=BANDS,
    )  # fmt: skip
    split = Split.random(scenes, 0, seed=seed, groups=scenes.metadata["block"])
    seen = {}
    for name in ("labeled", "val", "test"):
        index = getattr(split, name)
        assert len(index), "every part has patches"
        seen[name] = np.zeros((96, 96), bool)
        for i in index.tolist():
            row, col = int(scenes.metadata["row"][i]), int(scenes.metadata["col"][i])
            seen[name][row : row + 16, col : col + 16] = True
    assert np.stack(list(seen.values())).sum(axis=0).max() == 1


def test_whole_tiles_can_be_held_out():
    tiles = [tile(seed=k, number=n, name=f"t{n}") for k, n in enumerate((3, 15, 23))]
    scenes = cut_scenes(tiles, NAMES, size=16, bands=BANDS)
    split = Split.by_region(scenes, test=(15, 23), key="tile", labels_per_class=0)
    assert set(scenes.metadata["tile"][split.test].tolist()) == {15, 23}
    assert set(scenes.metadata["tile"][split.labeled].tolist()) == {3}
    assert len(set(scenes.metadata["block"].tolist())) == 3


def test_what_is_missing_is_ignored_and_becomes_the_mean():
    image = np.ones((2, 20, 20), np.float32)
    image[1] = 5
    image[0, :, :10] = np.nan
    mask = np.zeros((20, 20), np.uint8)
    mask[0, 19] = IGNORE
    scenes = cut_scenes(
        [Tile("scene", ArrayImage(image), ArrayImage(mask))],
        NAMES,
        size=20,
        bands=BANDS,
    )
    assert scenes.images[0, 0].unique().tolist() == [1]
    assert scenes.images[0, 1].unique().tolist() == [5]
    assert (scenes.masks[0] == IGNORE).sum() == 200 + 1
    assert scenes.labels.tolist() == [0]


def test_only_an_image_smaller_than_a_patch_is_padded():
    pixels = np.full((3, 10, 12), 7, np.uint8)
    scene = Tile("s", ArrayImage(pixels), ArrayImage(np.ones((10, 12), np.uint8)))
    scenes = cut_scenes([scene], NAMES, size=16)
    assert scenes.images.shape == (1, 3, 16, 16) and scenes.images.dtype == torch.uint8
    assert (scenes.masks[0, :10, :12] == 1).all()
    assert (scenes.masks[0] == IGNORE).sum() == 256 - 120
    assert scenes.images[0, :, :10, :12].unique().tolist() == [7]


def test_patches_with_too_few_labels_can_be_left_out():
    mask = np.full((32, 32), IGNORE, np.uint8)
    mask[:16, :16] = 1
    scene = Tile("s", ArrayImage(np.zeros((2, 32, 32), np.float32)), ArrayImage(mask))
    options = {"size": 16, "overlap_factor": 1, "bands": BANDS}
    assert cut_scenes([scene], NAMES, **options).labels.tolist() == [0, -1, -1, -1]
    assert len(cut_scenes([scene], NAMES, least_known=0.5, **options)) == 1
    blank = Tile("s", scene.image, ArrayImage(np.full((32, 32), IGNORE, np.uint8)))
    with pytest.raises(WorkshopError, match="no patch has 50 %"):
        cut_scenes([blank], NAMES, least_known=0.5, **options)


def test_what_does_not_fit_is_refused():
    whole = tile()
    with pytest.raises(WorkshopError, match="hold no patch of 16"):
        cut_scenes([whole], NAMES, size=16, block=14, bands=BANDS)
    short = ArrayImage(np.zeros((59, 70), np.uint8))
    with pytest.raises(WorkshopError, match="one band and the image's size"):
        cut_scenes([Tile("s", whole.image, short)], NAMES, size=16, bands=BANDS)
    for odd in (0.5, 300, np.nan):  # such as classes that were scaled
        mask = ArrayImage(np.full((60, 70), odd, np.float32))
        with pytest.raises(WorkshopError, match=f"tile s: its mask holds {odd:g}: "):
            cut_scenes([Tile("s", whole.image, mask)], NAMES, size=16, bands=BANDS)
    with pytest.raises(WorkshopError, match="0 to 1, or 255"):
        cut_scenes([whole], NAMES[:2], size=16, bands=BANDS)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.floats(0, 1))
def test_rarer_classes_weigh_more_and_the_mean_weight_is_one(counts, power):
    counts = np.array([*counts, 1])
    weights = class_weights(counts, power).numpy()
    assert ((weights == 0) == (counts == 0)).all()
    assert (weights * counts).sum() == pytest.approx(counts.sum(), rel=1e-4)
    seen = counts > 0
    order = np.argsort(counts[seen])
    assert (np.diff(weights[seen][order]) <= 1e-5 * weights.max()).all()


def test_weights_by_hand():
    assert class_weights(np.array([90, 10]), 0).tolist() == [1, 1]
    all_alike = class_weights(np.array([90, 10]), 1)  # each class counts 50 of 100
    assert (all_alike * torch.tensor([90, 10])).tolist() == pytest.approx([50, 50])


# --- windows and blocks

SIDES = st.integers(1, 90)
FACTORS = st.floats(0.05, 1)


def covered(height, width, rectangles):
    times = np.zeros((height, width), dtype=int)
    for row, col, h, w in rectangles:
        assert row >= 0 and col >= 0 and row + h <= height and col + w <= width
        times[row : row + h, col : col + w] += 1
    return times


@given(SIDES, SIDES, st.integers(1, 40), FACTORS)
def test_patches_cover_all_and_nothing_else(height, width, size, factor):
    found = windows(height, width, size, factor)
    assert covered(height, width, found).min() >= 1
    assert {(w.height, w.width) for w in found} == {
        (min(size, height), min(size, width))
    }
    assert len(set(found)) == len(found), "no patch twice"


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 40))
def test_starts_are_regular_except_the_last(length, size, step):
    found = offsets(length, size, step)
    assert found[:-1] == [k * step for k in range(len(found) - 1)]
    assert found[-1] == max(length - size, 0)
    gaps = np.diff(found)
    assert (gaps > 0).all() and (gaps <= step).all()


def test_the_usual_step_at_vaihingen():
    assert stride(256, 0.6) == 153  # so neighbours share 40 %, not 60 %
    assert stride(256, 1) == 256
    assert stride(3, 0.1) == 1


@pytest.mark.parametrize("size, factor", [(0, 0.5), (8, 0), (8, 1.1), (8, -1)])
def test_impossible_patches_are_refused(size, factor):
    with pytest.raises(WorkshopError, match="above 0 and at most 1"):
        windows(20, 20, size, factor)


@given(SIDES, SIDES, st.integers(1, 50))
def test_blocks_part_the_image(height, width, side):
    found = blocks(height, width, side)
    assert (covered(height, width, found) == 1).all()
    assert all(b.height >= min(side, height) for b in found)
    assert all(b.width >= min(side, width) for b in found)
