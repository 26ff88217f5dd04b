"""A scene classifier slid over a large image: the slow way to a coarse map."""

__all__ = ["slide_scenes"]

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.data.tiles.reader import LargeImage, missing, open_image
from workshop_lib.errors import WorkshopError
from workshop_lib.models.predict import predict
from workshop_lib.pixels import IGNORE


def slide_scenes(
    model: nn.Module,
    normalize: Normalize,
    source: "NDArray[Any] | Tensor | LargeImage",
    *,
    window: int,
    stride: int,
    verbose: bool = False,
) -> NDArray[np.uint8]:
    """Classify the window around every `stride`-th pixel.

    No labels for pixels are needed, only for scenes. But each pixel is looked at
    `(window / stride) ** 2` times, and the answer is about windows: borders in the map
    are as wide as one. A network that scores pixels (`map_image`) looks once.

    Args:
        model: a classifier of images, `model(x)` gives an `Output` with logits (B, K).
        normalize: as fitted on its training images.
        source: the image; see `open_image`.
        window: side of the images that the classifier was trained on, in pixels.
        stride: pixels from window to window.
        verbose: whether to show a bar.

    Returns:
        (rows, columns) uint8: entry (i, j) is the class of the window whose upper left
        corner is pixel (i * stride, j * stride); 255 where its middle has no data.
        Windows that would leave the image are left out.

    Raises:
        WorkshopError: a window larger than the image, or a stride below 1.
    """
    image = open_image(source)
    _, H, W = image.shape
    if not 1 <= window <= min(H, W) or stride < 1:
        raise WorkshopError(
            f"windows of {window} pixels every {stride} in an image of {H}x{W}: give"
            " windows that fit in, and a stride of at least 1."
        )
    rows = []
    corners = range(0, H - window + 1, stride)
    for row in tqdm(corners, desc="sliding", disable=None if verbose else True):
        pixels = image.read(row, 0, window, W)  # (C, window, W)
        gaps = missing(pixels, image.nodata)
        x = to_float(torch.from_numpy(pixels))
        if gaps.any():  # the mean is what tells a network least
            mean = normalize.mean.cpu().to(x.dtype)[:, None, None]
            x = torch.where(torch.from_numpy(gaps), mean, x)
        views = x.unfold(2, window, stride)  # (C, window, n, window), not a copy
        probs = predict(model, normalize, views.permute(2, 0, 1, 3))  # (n, K)
        classes = probs.argmax(dim=1).to(torch.uint8).numpy()
        middle = gaps[window // 2, window // 2 :: stride][: len(classes)]
        rows.append(np.where(middle, IGNORE, classes).astype(np.uint8))
    return np.stack(rows)
