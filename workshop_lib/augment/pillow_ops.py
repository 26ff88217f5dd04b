"""Pillow's image operations on wbox uint8 batches, rounding included.

The published pool of `randaugment_mc` is defined by what Pillow does with 8-bit images,
one image at a time. Here each operation treats a batch and takes one value per image.
Integer arithmetic follows Pillow's, so the results are equal, except that a rotated or
sheared image may differ in the few pixels that lie on a rounding edge.

Shape, everywhere: `images` (B, 3, H, W) uint8, values (B,) -> (B, 3, H, W) uint8.
"""

__all__ = [
    "autocontrast",
    "blend_black",
    "blend_flat",
    "blend_gray",
    "blend_smooth",
    "cutout_pixels",
    "equalize",
    "posterize",
    "rotate",
    "shear",
    "solarize",
    "translate",
]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment.photometric import equalize_tables


def blend_black(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Brightness: 0 is black, 1 the image."""
    return _blend(torch.zeros_like(images), images, factor)


def blend_gray(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Color: 0 is grayscale, 1 the image."""
    return _blend(_luma(images).to(torch.uint8).expand_as(images), images, factor)


def blend_flat(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Contrast: 0 is flat gray of the mean luma, 1 the image."""
    pixels = images.shape[2] * images.shape[3]
    total = _luma(images).sum((2, 3), keepdim=True)  # (B, 1, 1, 1) int64
    mean = _divide(2 * total + pixels, 2 * pixels)  # rounded half up
    return _blend(mean.to(torch.uint8).expand_as(images), images, factor)


def blend_smooth(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Sharpness: 0 is smoothed by a 3 x 3 filter, 1 the image."""
    smooth = images.clone()  # the border stays as it is
    if min(images.shape[2:]) >= 3:
        around = F.avg_pool2d(images.float(), 3, stride=1) * 9  # (B, C, H-2, W-2)
        total = around.round().long() + 4 * images[:, :, 1:-1, 1:-1].long()
        smooth[:, :, 1:-1, 1:-1] = _divide(2 * total + 13, 26).to(torch.uint8)
    return _blend(smooth, images, factor)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """ImageOps.posterize: keep only the highest `bits` of eight."""
    width = 2 ** (8 - bits.view(-1, 1, 1, 1).long())  # of a level
    return (images - images.long() % width).to(torch.uint8)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """ImageOps.solarize: invert the values from `threshold` (0 to 256) upwards."""
    kept = images.long() < threshold.view(-1, 1, 1, 1)
    return torch.where(kept, images, 255 - images)


def autocontrast(images: Tensor) -> Tensor:
    """ImageOps.autocontrast: stretch each channel to 0..255."""
    low = images.amin((2, 3), keepdim=True).long()  # (B, C, 1, 1)
    span = images.amax((2, 3), keepdim=True).long() - low
    # Pillow multiplies in double precision and drops the fraction. Where the exact
    # result is a wbox number, its last bit decides, so every step must be the same:
    # a true division, for `255 / tensor` would multiply by the rounded reciprocal.
    wide = torch.float32 if images.device.type == "mps" else torch.float64
    full = torch.full_like(span, 255, dtype=wide)
    scale = full / span.clamp(min=1).to(wide)
    stretched = (images.to(wide) * scale - low.to(wide) * scale).clamp(0, 255)
    return torch.where(span == 0, images, stretched.to(torch.uint8))


def equalize(images: Tensor) -> Tensor:
    """ImageOps.equalize: flatten the histogram of each channel."""
    levels = images.long().flatten(2)  # (B, C, H*W)
    flat = equalize_tables(levels).gather(2, levels)
    return flat.view(images.shape).to(torch.uint8)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Image.rotate: counter-clockwise about the center; corners become black."""
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    x, y = _pixel_centers(images)
    H, W = images.shape[2:]
    x, y = x - W / 2, y - H / 2
    cos, sin = torch.cos(angle), torch.sin(angle)
    return _nearest(images, cos * x - sin * y + W / 2, sin * x + cos * y + H / 2)


def shear(images: Tensor, slant: Tensor, axis: str) -> Tensor:
    """Image.transform(AFFINE): slant about the top left corner, along "x" or "y"."""
    x, y = _pixel_centers(images)
    slant = slant.view(-1, 1, 1)
    if axis == "x":
        return _nearest(images, x + slant * y, y)
    return _nearest(images, x, y + slant * x)


def translate(images: Tensor, pixels: Tensor, axis: str) -> Tensor:
    """Image.transform(AFFINE): positive moves the content left ("x") or up ("y")."""
    x, y = _pixel_centers(images)
    pixels = pixels.view(-1, 1, 1)
    if axis == "x":
        return _nearest(images, x + pixels, y)
    return _nearest(images, x, y + pixels)


def cutout_pixels(images: Tensor, center: Tensor, size: int, fill: int = 127) -> Tensor:
    """Paint a gray square the way the published `CutoutAbs` does, quirks included.

    Pillow's rectangles include their end, so the square measures size + 1 pixels. At
    the left and top border it is moved inside, at the right and bottom it is cut.

    Shape: `center` (B, 2) as (x, y) in pixels, x in [0, W), y in [0, H).
    """
    H, W = images.shape[2:]
    first = (center - size / 2).clamp(min=0).floor().long()  # (B, 2)
    x0, y0 = first.view(-1, 2, 1).unbind(1)  # (B, 1)
    columns = torch.arange(W, device=images.device)
    rows = torch.arange(H, device=images.device)
    inside_x = (columns >= x0) & (columns <= x0 + size)  # (B, W)
    inside_y = (rows >= y0) & (rows <= y0 + size)  # (B, H)
    hidden = inside_y[:, None, :, None] & inside_x[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(hidden, fill)


def _blend(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """Image.blend for factors in [0, 1]: the fraction is dropped, not rounded."""
    start_f = start.float()
    mixed = start_f + factor.float().view(-1, 1, 1, 1) * (end.float() - start_f)
    return mixed.to(torch.uint8)


def _luma(images: Tensor) -> Tensor:
    """Image.convert("L"): Rec. 601 in 16-bit fixed point. (B, 1, H, W) int64."""
    red, green, blue = images.long().split(1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _divide(numerator: Tensor, denominator: int) -> Tensor:
    return torch.div(numerator, denominator, rounding_mode="floor")


def _pixel_centers(images: Tensor) -> tuple[Tensor, Tensor]:
    H, W = images.shape[2:]
    x = torch.arange(W, device=images.device).view(1, 1, W) + 0.5
    y = torch.arange(H, device=images.device).view(1, H, 1) + 0.5
    return x, y


def _nearest(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read the pixels that contain (x, y); black outside of the image."""
    B, C, H, W = images.shape
    column = x.floor().long().expand(B, H, W)
    row = y.floor().long().expand(B, H, W)
    outside = (column < 0) | (column >= W) | (row < 0) | (row >= H)
    source = row.clamp(0, H - 1) * W + column.clamp(0, W - 1)  # (B, H, W)
    source = source.view(B, 1, H * W).expand(B, C, H * W)
    read = images.reshape(B, C, H * W).gather(2, source).view(B, C, H, W)
    return read.masked_fill(outside[:, None], 0)
