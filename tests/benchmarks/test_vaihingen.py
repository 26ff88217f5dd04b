"""The setting of the published Vaihingen table: its numbers, and a run in miniature."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import vaihingen
from tests.data.read.files import colours_of
from workshop_lib.data.read.landcover import TRAIN_TILES, VAIHINGEN_CLASSES


def test_the_budget_grows_with_the_batch():
    small = vaihingen.published_config().replace(
        encoder="unet-4", size=16, batch_size=2, steps=10
    )
    found = vaihingen.training_budget(small)
    more = vaihingen.training_budget(small.replace(batch_size=128))
    assert more.flops == pytest.approx(64 * found.flops) and found.flops > 0
    assert more.total > found.total


def areas(root):
    """All areas with labels, stripes of two classes that the colour tells."""
    rng = np.random.default_rng(0)
    for area in TRAIN_TILES:
        mask = np.zeros((48, 48), np.uint8)
        mask[:, rng.integers(10, 30) :] = 3
        bright = np.where(mask[..., None] == 3, (200, 40, 60), (90, 100, 110))
        image = (bright + rng.integers(-20, 20, (48, 48, 3))).astype(np.uint8)
        name = f"top_mosaic_09cm_area{area}.tif"
        for folder, pixels in (("images/top", image), ("labels", colours_of(mask))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / name)
    return root


@pytest.mark.slow
def test_a_run_in_miniature_learns_and_scores_the_held_out_areas(tmp_path):
    small = vaihingen.published_config().replace(
        encoder="unet-4", size=16, batch_size=8, steps=60, eval_every=30, lr=0.01
    )
    found = vaihingen.run(areas(tmp_path / "data"), small, tmp_path / "run")
    assert found["area"].tolist() == [15, 23]
    assert found["published accuracy"].tolist() == [80.68, 78.78]
    assert (found["accuracy"] > 90).all(), "two stripes of different colours"
    maps = [np.load(tmp_path / f"run/area{area}.npy") for area in (15, 23)]
    assert all(one.shape == (48, 48) for one in maps)
    assert max(one.max() for one in maps) < len(VAIHINGEN_CLASSES)
