"""RandAugmentMC: the pool that nearly every torch FixMatch uses, faithfully.

It is defined by what Pillow does with 8-bit images, one at a time. Here each operation
treats a batch of whole numbers with one value per image, in Pillow's arithmetic, so
that a comparison with published torch numbers compares methods, not augmentations. The
results are equal, except that a rotated or sheared image may differ in the few pixels
that lie on a rounding edge.

Shape of an operation: `images` (B, 3, H, W) uint8, values (B,) -> (B, 3, H, W) uint8.
"""

__all__ = ["POOL", "RandAugmentMC", "apply_operation", "cutout_pixels"]

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment.base import Augmentation, Params, Shape, integers, uniform
from workshop_lib.augment.photometric import equalize_tables
from workshop_lib.augment.weak_strong import Weak

_CUTOUT_PIXELS = 16  # half of CIFAR's 32, whatever the size of the image


@dataclass(frozen=True)
class RandAugmentMC(Augmentation):
    """Mirror and shift, `n` operations of `POOL`, and cutout: the torch ports' view.

    It departs from the paper (Sohn et al. 2020, appendix E) in ways that all its
    descendants carry; `RandAugment` is our own default. Here

    - brightness, color, contrast and sharpness are factors from 0.14 to 0.86: images
      only ever become darker, grayer, flatter and softer;
    - each of the two operations happens with probability 0.5 only, so that a quarter
      of the images get none;
    - the hidden square is 17 pixels wide whatever the size of the image: a quarter of
      the area at 32 pixels, a two-hundredth at 224.

    Float images in [0, 1] are rounded to 8 bits first, as Pillow's are.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandAugmentMC()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    n: int = 2  # operations per image; the same may come twice
    m: int = 10  # levels are drawn from 1 to m - 1; at most 10
    weak: Weak = field(default_factory=lambda: Weak(symmetries="mirror"))
    channels = 3

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw mirror and shift, the operations, and the cutout's center.

        Returns:
            Moves; (B, n, 4) integers: operation, level, sign, and whether it happens;
            and the center (B, 2) as (x, y) in pixels.
        """
        B, _, H, W = shape
        moves = self.weak.sample_params(shape, generator)
        rounds = []
        for _ in range(self.n):
            operation = integers(0, len(POOL), B, generator)
            level = integers(1, self.m, B, generator)
            sign = 1 - 2 * integers(0, 2, B, generator)
            happens = integers(0, 2, B, generator)
            rounds.append(torch.stack([operation, level, sign, happens], 1))  # (B, 4)
        x, y = uniform((B, 2), 0, 1, generator).unbind(1)
        return *moves, torch.stack(rounds, 1), torch.stack([x * W, y * H], 1)

    def apply(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move, round to 8 bits, change. Shape: (B, 3, H, W) in [0, 1] -> the same.

        On a CPU only the images that drew an operation go through it. A GPU would have
        to be waited for to report which images those are: it does all to all.
        """
        *moves, rounds, center = params
        moved = self.weak.apply(images, *moves)
        pixels = (moved * 255).round().clamp(0, 255).to(torch.uint8)
        for operation, level, sign, happens in rounds.permute(1, 2, 0):  # each (B,)
            for k, name in enumerate(POOL):
                drawn = (happens == 1) & (operation == k)  # (B,)
                if images.device.type != "cpu":
                    changed = apply_operation(name, pixels, level, sign)
                    pixels = torch.where(drawn.view(-1, 1, 1, 1), changed, pixels)
                elif len(chosen := drawn.nonzero().flatten()) > 0:  # (b,)
                    pixels[chosen] = apply_operation(
                        name, pixels[chosen], level[chosen], sign[chosen]
                    )
        return cutout_pixels(pixels, center, _CUTOUT_PIXELS).to(images.dtype) / 255


def apply_operation(name: str, images: Tensor, level: Tensor, sign: Tensor) -> Tensor:
    """Apply one operation of the pool at each image's level.

    Args:
        name: one of `POOL`.
        images: (B, 3, H, W) uint8.
        level: (B,) int64, 1 to 9; ignored by operations without a value.
        sign: (B,) 1 or -1; ignored by operations without a direction.
    """
    values = _values(name, level, images.shape[3 if name.endswith("X") else 2])
    if name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"):
        values = sign * values
    return POOL[name][0](images, values)


def _values(name: str, level: Tensor, side: int) -> Tensor:
    """Compute what each level means; shifts in whole pixels of a side. (B,)"""
    _, largest, bias = POOL[name]
    # In double precision and in this order: 9 * 0.3 / 10 is just below 0.27, and
    # whether 27 or 26 of 100 pixels are moved depends on it. Divided by a tensor: a
    # GPU divides by a plain number by multiplying with its rounded reciprocal.
    wide = torch.float32 if level.device.type == "mps" else torch.float64
    values = level.to(wide) * largest / torch.full_like(level, 10, dtype=wide)
    if name.startswith("Translate"):
        values = (values * side).trunc()
    elif name in ("Posterize", "Solarize"):
        values = values.trunc()
    return (values + bias).float()


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """ImageOps.autocontrast: stretch each channel to 0..255."""
    low = images.amin((2, 3), keepdim=True).long()  # (B, C, 1, 1)
    span = images.amax((2, 3), keepdim=True).long() - low
    # Pillow multiplies in double precision and drops the fraction. Where the exact
    # result is a whole number, its last bit decides, so every step must be the same:
    # a true division, for `255 / tensor` would multiply by the rounded reciprocal.
    wide = torch.float32 if images.device.type == "mps" else torch.float64
    full = torch.full_like(span, 255, dtype=wide)
    scale = full / span.clamp(min=1).to(wide)
    stretched = (images.to(wide) * scale - low.to(wide) * scale).clamp(0, 255)
    return torch.where(span == 0, images, stretched.to(torch.uint8))


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Brightness: 0 is black, 1 the image."""
    return _blend(torch.zeros_like(images), images, factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Color: 0 is grayscale, 1 the image."""
    return _blend(_luma(images).to(torch.uint8).expand_as(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Contrast: 0 is flat gray of the mean luma, 1 the image."""
    pixels = images.shape[2] * images.shape[3]
    total = _luma(images).sum((2, 3), keepdim=True)  # (B, 1, 1, 1) int64
    mean = (2 * total + pixels) // (2 * pixels)  # rounded half up
    return _blend(mean.to(torch.uint8).expand_as(images), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """ImageEnhance.Sharpness: 0 is smoothed by a 3 x 3 filter, 1 the image."""
    smooth = images.clone()  # the border stays as it is
    if min(images.shape[2:]) >= 3:
        around = F.avg_pool2d(images.float(), 3, stride=1) * 9  # (B, C, H-2, W-2)
        total = around.round().long() + 4 * images[:, :, 1:-1, 1:-1].long()
        smooth[:, :, 1:-1, 1:-1] = ((2 * total + 13) // 26).to(torch.uint8)
    return _blend(smooth, images, factor)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """ImageOps.equalize: flatten the histogram of each channel."""
    levels = images.long().flatten(2)  # (B, C, H*W)
    flat = equalize_tables(levels).gather(2, levels)
    return flat.view(images.shape).to(torch.uint8)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """ImageOps.posterize: keep only the highest `bits` of eight."""
    width = 2 ** (8 - bits.view(-1, 1, 1, 1).long())  # of a level
    return (images - images.long() % width).to(torch.uint8)


def solarize(images: Tensor, below: Tensor) -> Tensor:
    """ImageOps.solarize: invert the values from 256 less `below` upwards."""
    kept = images.long() < 256 - below.view(-1, 1, 1, 1)
    return torch.where(kept, images, 255 - images)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Image.rotate: counter-clockwise about the center; corners become black."""
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    H, W = images.shape[2:]
    x, y = _pixel_centers(images)
    x, y = x - W / 2, y - H / 2
    cos, sin = torch.cos(angle), torch.sin(angle)
    return _nearest(images, cos * x - sin * y + W / 2, sin * x + cos * y + H / 2)


def shear_x(images: Tensor, slant: Tensor) -> Tensor:
    """Image.transform(AFFINE): slant the columns about the top left corner."""
    x, y = _pixel_centers(images)
    return _nearest(images, x + slant.view(-1, 1, 1) * y, y)


def shear_y(images: Tensor, slant: Tensor) -> Tensor:
    """Image.transform(AFFINE): slant the rows about the top left corner."""
    x, y = _pixel_centers(images)
    return _nearest(images, x, y + slant.view(-1, 1, 1) * x)


def translate_x(images: Tensor, pixels: Tensor) -> Tensor:
    """Image.transform(AFFINE): positive moves the content to the left."""
    x, y = _pixel_centers(images)
    return _nearest(images, x + pixels.view(-1, 1, 1), y)


def translate_y(images: Tensor, pixels: Tensor) -> Tensor:
    """Image.transform(AFFINE): positive moves the content up."""
    x, y = _pixel_centers(images)
    return _nearest(images, x, y + pixels.view(-1, 1, 1))


# Name -> operation, largest value, bias: level v of 1 to 9 is v * largest / 10 + bias.
POOL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float, float]] = {
    "AutoContrast": (autocontrast, 0, 0),
    "Brightness": (brightness, 0.9, 0.05),
    "Color": (color, 0.9, 0.05),
    "Contrast": (contrast, 0.9, 0.05),
    "Equalize": (equalize, 0, 0),
    "Identity": (lambda images, _: images, 0, 0),
    "Posterize": (posterize, 4, 4),  # bits that are kept, cut to a whole number
    "Rotate": (rotate, 30, 0),  # degrees, random sign
    "Sharpness": (sharpness, 0.9, 0.05),
    "ShearX": (shear_x, 0.3, 0),  # tangent, random sign
    "ShearY": (shear_y, 0.3, 0),
    "Solarize": (solarize, 256, 0),  # cut to a whole number
    "TranslateX": (translate_x, 0.3, 0),  # of the side, random sign
    "TranslateY": (translate_y, 0.3, 0),
}


def cutout_pixels(images: Tensor, center: Tensor, size: int) -> Tensor:
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
    return images.masked_fill(hidden, 127)


def _blend(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """Image.blend for factors in [0, 1]: the fraction is dropped, not rounded."""
    start_f = start.float()
    mixed = start_f + factor.float().view(-1, 1, 1, 1) * (end.float() - start_f)
    return mixed.to(torch.uint8)


def _luma(images: Tensor) -> Tensor:
    """Image.convert("L"): Rec. 601 in 16-bit fixed point. (B, 1, H, W) int64."""
    red, green, blue = images.long().split(1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


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
