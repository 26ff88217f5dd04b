"""The Landsat benchmark: splits that keep their word, and a page from a small run."""

import numpy as np
import pytest
from scipy.ndimage import generic_filter

from benchmarks import landsat
from workshop_lib.data.read.landcover import LandsatScene
from workshop_lib.pixels import IGNORE


@pytest.fixture(scope="module")
def scene():
    """Stripes of seven classes, which the bands tell, with a corner of no data."""
    draw = np.random.default_rng(0)
    mask = (np.indices((130, 200))[1] // 10 % 7).astype(np.uint8)
    image = mask / np.float32(10) + 0.1 * draw.random((5, 130, 200), dtype=np.float32)
    image[2, :9, :9] = np.nan
    mask[:9, :9] = IGNORE
    return LandsatScene(image, mask)


def test_blocks_are_whole_and_pixels_are_not(scene):
    fold = landsat.folds(scene, "block", 0)
    for area in landsat.blocks(130, 200, landsat.BLOCK):
        rows = slice(area.row, area.row + area.height)
        inside = fold[rows, area.col : area.col + area.width]
        assert len(np.unique(inside)) == 1
    assert len(np.unique(fold)) == landsat.FOLDS
    pixel = landsat.folds(scene, "pixel", 0)
    shares = np.bincount(pixel.ravel()) / pixel.size
    assert np.allclose(shares, 1 / landsat.FOLDS, atol=0.02)
    assert not np.array_equal(fold, landsat.folds(scene, "block", 1))


def test_no_patch_of_a_split_by_block_shows_a_test_pixel(scene):
    fold = landsat.folds(scene, "block", 3)
    train = (scene.mask != IGNORE) & (fold != 0)
    scenes = landsat.patches(scene, "block", train)
    size = scenes.images.shape[-1]
    for row, col in zip(scenes.metadata["row"], scenes.metadata["col"], strict=True):
        assert (fold[row : row + size, col : col + size] != 0).all()
    by_pixel = landsat.patches(scene, "pixel", train)
    assert len(by_pixel) and (by_pixel.masks == IGNORE).any()


def test_the_neighbourhood_is_mean_and_deviation_of_what_is_known(scene):
    part = scene.image[:, :20, :20]
    found = landsat.neighbourhood(part)
    assert found.shape == (15, 20, 20)

    def inner(values):  # the edges are mirrored, which loops would have to repeat
        return values[2:-2, 2:-2]

    mean = generic_filter(part[2], np.nanmean, size=5)
    spread = generic_filter(part[2], np.nanstd, size=5)
    known = np.isfinite(inner(mean))
    assert known.sum() > 200
    assert np.allclose(inner(found[7])[known], inner(mean)[known], atol=1e-5)
    assert np.allclose(inner(found[12])[known], inner(spread)[known], atol=1e-3)


def test_only_pixels_with_a_class_are_scored(scene):
    found = scene.mask.copy()
    found[:9, :9] = 3
    assert landsat.score(scene, found).accuracy == 1
    found[100:] = IGNORE  # not mapped
    found[50, :100] = (found[50, :100] + 1) % 7
    scores = landsat.score(scene, found)
    assert scores.confusion.sum() == 100 * 200 - 81
    assert scores.accuracy == pytest.approx(1 - 100 / (100 * 200 - 81))


@pytest.mark.slow
def test_a_small_run_makes_a_page_and_a_picture_and_is_kept(scene, tmp_path):
    results, maps = landsat.table(scene, [0, 1], tmp_path, steps=3)
    assert len(results) == 2 * 2 * len(landsat.RIVALS)
    assert set(maps) == set(landsat.RIVALS)
    forest = results[results["model"] != landsat.UNET]
    assert (forest["accuracy"] > 80).all(), "the bands tell the classes"
    maps_made = sorted(tmp_path.glob("*.npz"))
    before = [path.stat().st_mtime_ns for path in maps_made]
    again, _ = landsat.table(scene, [0, 1], tmp_path, steps=3)
    assert again.equals(results)
    assert before == [path.stat().st_mtime_ns for path in maps_made]
    splits = landsat.table_of_splits(results)
    classes = landsat.table_of_classes(scene, results)
    for model in landsat.RIVALS:
        assert f"| {model} | " in splits and f"- {model}: " in landsat.gains(results)
    assert classes.count("\n") == 1 + 7 and "| developed | 3," in classes
    assert "U-Net wrong (black): " in landsat.picture(scene, maps).alt
