"""CutMix: a box of another image in each image."""

__all__ = ["cut_mix", "draw_boxes"]

import math

import torch
from torch import Tensor

from workshop_lib.augment.per_image import coin, uniform

AREA = (0.15, 0.5)  # of the box, as a share of the image
LONGEST = 2.0  # side of the box, as a multiple of the other one


def draw_boxes(
    shape: tuple[int, int, int], probability: float, generator: torch.Generator
) -> Tensor:
    """Draw a box for each image, or none.

    Args:
        shape: B, H, W.
        probability: of each image, to get one.
        generator: on the device where the boxes are wanted.

    Returns:
        (B, H, W) bool: True in the box.
    """
    B, *sides = shape
    area = uniform((B,), *AREA, generator)
    ratio = torch.exp(uniform((B,), -1, 1, generator) * math.log(LONGEST))
    size = torch.stack([area * ratio, area / ratio], 1).sqrt().clamp(max=1)  # (B, 2)
    corner = uniform((B, 2), 0, 1, generator) * (1 - size)
    inside = []
    for k, side in enumerate(sides):
        pixel = (torch.arange(side, device=generator.device) + 0.5) / side  # centres
        first, end = corner[:, k : k + 1], (corner + size)[:, k : k + 1]
        inside.append((pixel >= first) & (pixel < end))  # (B, side)
    chosen = coin((B,), probability, generator).bool()
    return inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None]


def cut_mix(values: Tensor, boxes: Tensor) -> Tensor:
    """Put into each image's box what its neighbour in the batch has there.

    Scenes then lie side by side that never did in nature, with a sharp border: the
    network has to tell each from what is within it. In the semi-supervised learning of
    maps this is worth more than any change of colours (French et al. 2020); for images
    of one label each: Yun et al. 2019.

    Shape: (B, C, H, W) or (B, H, W), (B, H, W) bool -> as `values`.
    """
    inside = boxes[:, None] if values.ndim == 4 else boxes
    return torch.where(inside, values.roll(1, dims=0), values)
