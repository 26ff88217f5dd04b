"""The rivals of the Landsat benchmark: a forest on pixels, and a small U-Net."""

__all__ = ["FORESTS", "forest_map", "neighbourhood", "unet_map"]

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.read.landcover import LANDSAT_CLASSES
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.tiles import class_weights
from workshop_lib.evaluation.tiling import blended_row_blocks, pixel_predictor
from workshop_lib.models.unet import UNet
from workshop_lib.pixels import IGNORE, count_pixels

Array = NDArray[np.float32]
Map = NDArray[np.uint8]
Pixels = NDArray[np.bool_]

K = len(LANDSAT_CLASSES)
PATCH = 64
WIDTH = 16  # of the U-Net: 0.12 million parameters
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


FORESTS = {
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


def unet_map(image: Array, scenes: Scenes, steps: int, seed: int) -> Map:
    """Train a U-Net on patches with masks; let it map the image, (H, W).

    Cross-entropy with weights for rare classes, AdamW, one cycle of the learning rate;
    the eight symmetries of a view from above are the only augmentation. Nothing is
    chosen by a validation: the number of steps is fixed, and the last weights count.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    masks = scenes.masks
    assert masks is not None
    weights = class_weights(count_pixels(masks.split(64), K))
    normalize = Normalize.fit(scenes.images)
    inputs = normalize(scenes.images).contiguous(memory_format=torch.channels_last)
    model = UNet(in_channels=inputs.shape[1], num_classes=K, width=WIDTH)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(len(inputs), (BATCH,), generator=generator)
        x, y = _turned(inputs[index], masks[index].long(), generator)
        loss = F.cross_entropy(model(x).logits, y, weights, ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    predict = pixel_predictor(model, normalize, torch.device("cpu"))
    blocks = blended_row_blocks(
        predict, ArrayImage(image), size=PATCH, overlap_factor=0.75
    )
    found = [block.probs.argmax(axis=0) for block in blocks]
    return np.concatenate(found).astype(np.uint8)


def _turned(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn and mirror a batch by one of the eight symmetries, its masks with it."""
    turns = int(torch.randint(4, (1,), generator=generator))
    mirror = bool(torch.randint(2, (1,), generator=generator))
    x, y = x.rot90(turns, (2, 3)), y.rot90(turns, (1, 2))
    return (x.flip(3), y.flip(2)) if mirror else (x, y)
