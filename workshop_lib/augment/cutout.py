"""A hole in each image."""

__all__ = ["cutout"]

import torch
from torch import Tensor

from workshop_lib.augment.geometry import pixel_coordinates
from workshop_lib.augment.per_image import check_images, check_rows


def cutout(
    images: Tensor, centre: Tensor, size: Tensor, fill: float | None = None
) -> Tensor:
    """Hide a rectangle of each image, so that no single spot can carry the decision.

    Source: DeVries & Taylor 2017. Ours is a fraction of the sides, never a fixed number
    of pixels, so that it means the same at every image size.

    Args:
        images: (B, C, H, W).
        centre: (B, 2) row and column of the centre, as fractions of height and width.
            What reaches over the border is cut off there.
        size: (B,) sides of the rectangle as a fraction of the sides of the image; 0
            hides nothing.
        fill: value in the hole; None takes the image's own mean per band, which suits
            any unit.

    Raises:
        WorkshopError: not (B, C, H, W), or parameters that do not fit the batch.
    """
    check_images(images)
    B, C = images.shape[:2]
    check_rows(centre, (B, 2), "centre")
    check_rows(size, (B,), "size")
    u, v = pixel_coordinates(images)
    half = size.view(B, 1, 1)  # half of the span from -1 to 1
    middle_v, middle_u = (2 * centre - 1).unbind(1)
    inside_u = (u - middle_u.view(B, 1, 1)).abs() < half  # (B, 1, W)
    inside_v = (v - middle_v.view(B, 1, 1)).abs() < half  # (B, H, 1)
    if fill is None:
        value = images.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
    else:
        value = images.new_full((B, C, 1, 1), fill)
    if images.device.type != "cpu":
        hole = (inside_u & inside_v)[:, None]  # (B, 1, H, W)
        return torch.where(hole, value, images)
    result = images.clone()
    # On a CPU writing a few rectangles is ten times quicker than choosing per pixel
    edges = [*_first_and_end(inside_v[:, :, 0]), *_first_and_end(inside_u[:, 0])]
    for image, inside, box in zip(result, value, zip(*edges, strict=True), strict=True):
        top, bottom, left, right = box
        image[:, top:bottom, left:right] = inside
    return result


def _first_and_end(inside: Tensor) -> tuple[list[int], list[int]]:
    """Where each row's single run of True begins and ends. (B, n) -> B numbers each."""
    first = inside.int().argmax(1)
    return first.tolist(), (first + inside.sum(1)).tolist()
