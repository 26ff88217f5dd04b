"""RandAugment on whole batches: each image draws its own operations and strengths."""

__all__ = ["GEOMETRY", "OPERATIONS", "RandAugment"]

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment import photometric
from workshop_lib.augment.cutout import cutout
from workshop_lib.augment.geometry import affine
from workshop_lib.augment.per_image import uniform
from workshop_lib.augment.policy import Policy, Shape
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError

_Operation = Callable[[Tensor, Tensor], Tensor]

# Name -> lowest and highest strength at magnitude 1. Symmetric where it makes sense:
# an image may become darker or brighter, flatter or richer in contrast.
OPERATIONS: dict[str, tuple[float, float]] = {
    "identity": (0.0, 0.0),
    "rotate": (-30.0, 30.0),  # degrees
    "shear_x": (-0.3, 0.3),  # tangent
    "shear_y": (-0.3, 0.3),
    "translate_x": (-0.3, 0.3),  # fraction of the side
    "translate_y": (-0.3, 0.3),
    "brightness": (-0.9, 0.9),  # Pillow's factor minus 1, here and in the next three
    "colour": (-0.9, 0.9),
    "contrast": (-0.9, 0.9),
    "sharpness": (-0.9, 0.9),
    "posterize": (0.0, 4.0),  # bits that are lost, of eight
    "solarize": (0.0, 1.0),  # how far below white inversion begins
    "autocontrast": (1.0, 1.0),  # all or nothing
    "equalize": (1.0, 1.0),
}
_SWITCHES = ("autocontrast", "equalize")  # magnitude must not water these down
_COLUMN = {name: k for k, name in enumerate(OPERATIONS)}
# Columns of the operations that move pixels: turn, two shears, two shifts
GEOMETRY = slice(_COLUMN["rotate"], _COLUMN["translate_y"] + 1)


@dataclass(frozen=True)
class RandAugment(Policy):
    """The strong view of FixMatch for RGB: weak view, `n` random operations, a hole.

    Every image draws `n` different operations and a strength for each, uniformly. On a
    GPU the operations run on the whole batch with strength 0 where they were not drawn:
    a dozen large steps instead of a loop over images, and no waiting for the GPU to say
    which image drew what. On a CPU only the images that drew one go through it; the
    result is the same.

    Source: Cubuk et al. 2020, with the pool of FixMatch (Sohn et al. 2020, appendix E).
    Ours differs: an image's operations are all different and run in a fixed order
    (geometry in one interpolation, then tone); ranges are symmetric; the hole is a
    fraction of the side and filled with the image's mean. `randaugment_mc` is the pool
    that most torch implementations use, faithfully.

    Raises:
        WorkshopError: n not between 0 and the number of operations, negative magnitude,
            or a hole that is not a fraction.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandAugment()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    n: int = 2  # operations per image
    magnitude: float = 1.0  # multiplies the ranges of OPERATIONS; 0 leaves little
    cutout: float = 0.5  # largest side of the hole, as a fraction of the image's side
    weak: Weak = field(default_factory=Weak)
    channels = 3

    def __post_init__(self) -> None:
        if not 0 <= self.n <= len(OPERATIONS):
            raise WorkshopError(
                f"n={self.n} operations per image: there are {len(OPERATIONS)}, so give"
                f" 0 to {len(OPERATIONS)}; usual is 2."
            )
        if self.magnitude < 0:
            raise WorkshopError(
                f"magnitude={self.magnitude}: it scales the strength of the"
                " augmentation, so 0 or above; 1 is the default."
            )
        if not 0 <= self.cutout <= 1:
            raise WorkshopError(
                f"cutout={self.cutout}: the hole's side is a fraction of the image's"
                " side, 0 to 1; usual is 0.5."
            )

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw symmetry and shift, strengths (B, K), and the hole's centre and side."""
        B = shape[0]
        moves = self.weak.draw(shape, generator)
        strengths = self.draw_strengths(B, generator)
        centre = uniform((B, 2), 0, 1, generator)
        side = uniform((B,), 0, self.cutout, generator)
        return *moves, strengths, centre, side

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Move, change, and cut a hole. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        *moves, strengths, centre, side = drawn
        images = apply_operations(self.weak.apply(images, *moves), strengths)
        return cutout(images, centre, side)

    def draw_strengths(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which operations each image gets, and how strong; 0 where not drawn.

        Shape: (B, len(OPERATIONS)), columns in the order of `OPERATIONS`.
        """
        K, device = len(OPERATIONS), generator.device
        lottery = torch.rand((batch, K), generator=generator, device=device)
        winners = lottery.topk(self.n, dim=1).indices  # (B, n), all different
        drawn = torch.zeros_like(lottery).scatter_(1, winners, 1.0)  # (B, K)
        where = torch.rand((batch, K), generator=generator, device=device)
        columns = []
        for k, (name, (low, high)) in enumerate(OPERATIONS.items()):
            scale = 1.0 if name in _SWITCHES else self.magnitude
            columns.append(scale * (low + (high - low) * where[:, k]))
        return torch.stack(columns, dim=1) * drawn


def apply_operations(images: Tensor, strengths: Tensor) -> Tensor:
    """Apply every operation at its per-image strength, in the order of `OPERATIONS`.

    Shape: `images` (B, 3, H, W) in [0, 1], `strengths` (B, len(OPERATIONS)) -> like
    `images`. A row of zeros returns its image bit for bit.
    """
    tone = [(do, strengths[:, _COLUMN[name]]) for name, do in _TONE.items()]
    steps: list[tuple[_Operation, Tensor]]
    steps = [(_turn_and_shift, strengths[:, GEOMETRY]), *tone]
    if images.device.type != "cpu":
        for operation, strength in steps:
            images = operation(images, strength)
        return images
    # On a CPU only the images that drew an operation go through it
    result = list(images.unbind(0))  # B of (3, H, W)
    for operation, strength in steps:
        drawn = strength.reshape(len(images), -1).any(1).nonzero().flatten()  # (b,)
        if len(drawn) == 0:
            continue
        rows = drawn.tolist()
        before = torch.stack([result[i] for i in rows])
        after = operation(before, strength[drawn])
        for i, image in zip(rows, after.unbind(0), strict=True):
            result[i] = image
    return torch.stack(result)


def _turn_and_shift(images: Tensor, strengths: Tensor) -> Tensor:
    degrees, shear, shift = strengths.split([1, 2, 2], dim=1)
    return affine(images, degrees=degrees[:, 0], shear=shear, shift=shift)


# The order is that of OPERATIONS, as far as these are of tone
_TONE: dict[str, _Operation] = {
    "brightness": photometric.brightness,
    "colour": photometric.colour,
    "contrast": photometric.contrast,
    "sharpness": photometric.sharpness,
    "posterize": lambda images, lost: photometric.posterize(images, lost.clamp(0, 8)),
    "solarize": lambda images, below: photometric.solarize(images, below.clamp(0, 1)),
    "autocontrast": photometric.autocontrast,
    "equalize": photometric.equalize,
}
