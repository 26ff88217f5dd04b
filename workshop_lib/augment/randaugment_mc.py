"""RandAugmentMC: the pool that nearly every torch FixMatch uses, faithfully.

Its results equal those of the widespread Pillow version image by image, so that a
comparison with published torch numbers compares methods, not augmentations.
"""

__all__ = [
    "POOL",
    "RandAugmentMC",
    "apply_operation",
    "sample_operations",
    "randaugment_mc",
]

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment import pillow_ops
from workshop_lib.augment.base import Augmentation, Params, Shape
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError, unknown_name

# Name -> (largest value, bias): level v of 1 to 9 means v * largest / 10 + bias.
POOL: dict[str, tuple[float, float] | None] = {
    "AutoContrast": None,
    "Brightness": (0.9, 0.05),
    "Color": (0.9, 0.05),
    "Contrast": (0.9, 0.05),
    "Equalize": None,
    "Identity": None,
    "Posterize": (4, 4),  # bits that are kept; the product is cut to a whole number
    "Rotate": (30, 0),  # degrees, random sign
    "Sharpness": (0.9, 0.05),
    "ShearX": (0.3, 0),  # tangent, random sign, like the next ones
    "ShearY": (0.3, 0),
    "Solarize": (256, 0),  # subtracted from 256; cut to a whole number
    "TranslateX": (0.3, 0),  # fraction of the side, cut to whole pixels
    "TranslateY": (0.3, 0),
}
_CUTOUT_PIXELS = 16  # half of CIFAR's 32, whatever the size of the image


def apply_operation(name: str, images: Tensor, level: Tensor, sign: Tensor) -> Tensor:
    """Apply one operation of the pool at each image's level.

    Args:
        name: one of `POOL`.
        images: (B, 3, H, W) uint8.
        level: (B,) int64, 1 to 9; ignored by operations without a value.
        sign: (B,) 1 or -1; ignored by operations without a direction.

    Raises:
        WorkshopError: an unknown name; lists the known ones.
    """
    if name not in POOL:
        raise unknown_name("operation", name, POOL)
    if name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"):
        return _geometric(name, images, level, sign)
    return _photometric(name, images, level)


def sample_operations(
    shape: Shape, generator: torch.Generator, n: int = 2, m: int = 10
) -> tuple[Tensor, Tensor]:
    """Draw `n` rounds of operation, level, sign and whether; then the cutout's center.

    In each round an operation (the same may come twice), a level from 1 to m - 1, a
    direction, and whether it happens at all. Cutout always happens.

    Returns:
        (B, n, 4) integers, and the cutout's center (B, 2) as (x, y) in pixels.

    Raises:
        WorkshopError: negative n, or m outside 2..10.
    """
    _check(n, m)
    B, _, H, W = shape
    device = generator.device

    def integers(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (B,), generator=generator, device=device)

    rounds = torch.zeros((B, n, 4), dtype=torch.long, device=device)
    for k in range(n):
        rounds[:, k, 0] = integers(0, len(POOL))
        rounds[:, k, 1] = integers(1, m)
        rounds[:, k, 2] = 1 - 2 * integers(0, 2)
        rounds[:, k, 3] = integers(0, 2)
    center = torch.rand((B, 2), generator=generator, device=device)
    return rounds, torch.stack([center[:, 0] * W, center[:, 1] * H], 1)


def randaugment_mc(images: Tensor, rounds: Tensor, center: Tensor) -> Tensor:
    """Change each image by what `sample_operations` drew, then cut out a square.

    On a CPU only the images that drew an operation go through it. A GPU would have to
    be waited for to report which images those are: it does all operations to all.

    Shape: (B, 3, H, W) uint8 -> the same.

    Raises:
        WorkshopError: not uint8 with three channels.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
        raise WorkshopError(
            f"images {tuple(images.shape)} of type {images.dtype}: RandAugmentMC is"
            " defined for uint8 RGB, (B, 3, H, W)."
        )
    images = images.clone()
    for operation, level, sign, happens in rounds.permute(1, 2, 0):  # each (B,)
        for k, name in enumerate(POOL):
            if name == "Identity":
                continue
            drawn = (happens == 1) & (operation == k)  # (B,)
            if images.device.type != "cpu":
                changed = apply_operation(name, images, level, sign)
                images = torch.where(drawn.view(-1, 1, 1, 1), changed, images)
                continue
            chosen = drawn.nonzero().flatten()  # (b,)
            if len(chosen) > 0:
                images[chosen] = apply_operation(
                    name, images[chosen], level[chosen], sign[chosen]
                )
    return pillow_ops.cutout_pixels(images, center, _CUTOUT_PIXELS)


@dataclass(frozen=True)
class RandAugmentMC(Augmentation):
    """Mirror and shift, then `randaugment_mc`: the strong view of the torch ports.

    It departs from the paper (Sohn et al. 2020, appendix E) in ways that all its
    descendants carry; `RandAugment` is our own default. Here

    - brightness, color, contrast and sharpness are factors from 0.14 to 0.86: images
      only ever become darker, grayer, flatter and softer;
    - each of the two operations happens with probability 0.5 only, so that a quarter
      of the images get none;
    - the hidden square is 17 pixels wide whatever the size of the image: a quarter of
      the area at 32 pixels, a two-hundredth at 224.

    Float images in [0, 1] are rounded to 8 bits first, as Pillow's are.

    Raises:
        WorkshopError: negative n, or m outside 2..10.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandAugmentMC()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    n: int = 2  # operations per image
    m: int = 10  # levels are drawn from 1 to m - 1
    weak: Weak = field(default_factory=lambda: Weak(symmetries="mirror"))
    channels = 3

    def __post_init__(self) -> None:
        _check(self.n, self.m)

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw mirror and shift, then what `sample_operations` draws."""
        moves = self.weak.sample_params(shape, generator)
        return *moves, *sample_operations(shape, generator, self.n, self.m)

    def apply(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move, round to 8 bits, change. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        *moves, rounds, center = params
        moved = self.weak.apply(images, *moves)
        pixels = (moved * 255).round().clamp(0, 255).to(torch.uint8)
        return randaugment_mc(pixels, rounds, center).to(images.dtype) / 255


def _value(name: str, level: Tensor, side: int = 0) -> Tensor:
    """Compute what each level means, in whole pixels if a side is given. (B,)"""
    largest, bias = POOL[name] or (0, 0)
    # In double precision and in this order: 9 * 0.3 / 10 is just below 0.27, and
    # whether 27 or 26 of 100 pixels are moved depends on it. Divided by a tensor: a
    # GPU divides by a plain number by multiplying with its rounded reciprocal.
    wide = torch.float32 if level.device.type == "mps" else torch.float64
    values = level.to(wide) * largest / torch.full_like(level, 10, dtype=wide)
    if side:
        values = (values * side).trunc()
    elif name in ("Posterize", "Solarize"):
        values = values.trunc()
    return (values + bias).float()


def _geometric(name: str, images: Tensor, level: Tensor, sign: Tensor) -> Tensor:
    H, W = images.shape[2:]
    if name == "Rotate":
        return pillow_ops.rotate(images, sign * _value(name, level))
    axis = name[-1].lower()
    if name.startswith("Shear"):
        return pillow_ops.shear(images, sign * _value(name, level), axis)
    side = W if axis == "x" else H
    return pillow_ops.translate(images, sign * _value(name, level, side), axis)


def _photometric(name: str, images: Tensor, level: Tensor) -> Tensor:
    if name == "Identity":
        return images
    if name == "AutoContrast":
        return pillow_ops.autocontrast(images)
    if name == "Equalize":
        return pillow_ops.equalize(images)
    value = _value(name, level)
    if name == "Posterize":
        return pillow_ops.posterize(images, value)
    if name == "Solarize":
        return pillow_ops.solarize(images, 256 - value)
    blends = {
        "Brightness": pillow_ops.blend_black,
        "Color": pillow_ops.blend_gray,
        "Contrast": pillow_ops.blend_flat,
        "Sharpness": pillow_ops.blend_smooth,
    }
    return blends[name](images, value)


def _check(n: int, m: int) -> None:
    if n < 0:
        raise WorkshopError(f"n={n} operations per image: give 0 or more; usual is 2.")
    if not 2 <= m <= 10:
        raise WorkshopError(
            f"m={m}: levels are drawn from 1 to m - 1; give 2 to 10, usual is 10."
        )
