"""Models of the Landsat benchmark: random forests on pixels, and a small U-Net."""

__all__ = ["FORESTS", "forest_map", "neighbourhood", "unet_map"]

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier

from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.split import Split
from workshop_lib.evaluation.inference import single_sensor
from workshop_lib.evaluation.tiling import blended_row_blocks, pixel_predictor
from workshop_lib.pixels import IGNORE
from workshop_lib.training.loop import train

Array = NDArray[np.float32]
Map = NDArray[np.uint8]
Pixels = NDArray[np.bool_]

PATCH = 64
UNET = "unet-16"  # 0.12 million parameters
BATCH = 8
LR = 3e-3
_TREES = 50
_PIXELS = 20_000  # that a forest learns from, drawn from its training pixels


def neighbourhood(image: Array) -> Array:
    """Add to each band its mean and deviation over 5x5 pixels: (3 C, H, W).

    Missing pixels are left out of both.
    """
    known = np.isfinite(image).astype(np.float64)
    values = np.nan_to_num(image.astype(np.float64))
    size = (0, 5, 5)
    share = np.maximum(uniform_filter(known, size), 1e-9)
    mean = uniform_filter(values, size) / share
    spread = uniform_filter(values**2, size) / share - mean**2
    found = np.concatenate([values, mean, np.sqrt(np.maximum(spread, 0))])
    return found.astype(np.float32)


FORESTS: dict[str, Callable[[Array], Array]] = {
    "random forest on pixels": np.nan_to_num,
    "random forest on 5x5 pixels": neighbourhood,
}


def forest_map(
    features: Array, mask: Map, train: Pixels, test: Pixels, seed: int
) -> Map:
    """Teach a random forest the training pixels; let it map the test pixels.

    Shape: features (C, H, W), the others (H, W) -> (H, W), `IGNORE` elsewhere.
    """
    index = np.flatnonzero(train.ravel())
    index = np.random.default_rng(seed).permutation(index)[:_PIXELS]
    forest = RandomForestClassifier(_TREES, min_samples_leaf=3, random_state=seed)
    forest.fit(features.reshape(len(features), -1).T[index], mask.ravel()[index])
    found = np.full(mask.shape, IGNORE, dtype=np.uint8)
    found[test] = forest.predict(features[:, test].T)
    return found


def unet_map(image: Array, scenes: Dataset, steps: int, seed: int, folder: Path) -> Map:
    """Train a U-Net on patches with masks; let it map the image, (H, W).

    Cross-entropy with weights for rare classes; the eight symmetries and small shifts
    are the only augmentation. Nothing is chosen by validation: the number of steps is
    fixed, and the last weights count.

    Args:
        image: (C, H, W), NaN where unknown.
        scenes: patches of it.
        steps: of training.
        seed: of the initial weights and the order of patches.
        folder: for the run.
    """
    every = torch.arange(len(scenes))
    # Some patches of training stand in for a validation that decides nothing
    split = Split(labeled=every, unlabeled=every, val=every[:BATCH], test=every[:0])
    config = Config().replace(
        method="supervised",
        labeled_view="weak",
        heads=("cover",),
        encoder=UNET,
        class_weighting=0.5,
        size=PATCH,
        labels_per_class=0,
        steps=steps,
        eval_every=steps,
        batch_size=BATCH,
        lr=LR,
        seed=seed,
    )
    run = train(config, scenes, split, folder=folder, verbose=False)
    model, normalize = single_sensor(run, "last")
    predict = pixel_predictor(model, normalize, torch.device("cpu"))
    blocks = blended_row_blocks(
        predict, ArrayImage(image), size=PATCH, overlap_factor=0.75
    )
    found = [block.probs.argmax(axis=0) for block in blocks]
    return np.concatenate(found).astype(np.uint8)
