"""The strong and the contrastive view for RGB: RandAugment, and SimCLR's jitter."""

__all__ = ["OPERATIONS", "Contrastive", "RandAugment"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.augment import photometric
from workshop_lib.augment.base import Params, Shape, bernoulli, uniform
from workshop_lib.augment.geometry import affine
from workshop_lib.augment.view_geometry import ContrastiveView, StrongView

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
    "color": (-0.9, 0.9),
    "contrast": (-0.9, 0.9),
    "sharpness": (-0.9, 0.9),
    "posterize": (0.0, 4.0),  # bits that are lost, of eight
    "solarize": (0.0, 1.0),  # how far below white inversion begins
    "autocontrast": (1.0, 1.0),  # all or nothing
    "equalize": (1.0, 1.0),
}
_SWITCHES = ("autocontrast", "equalize")  # magnitude must not water these down
_GEOMETRY = slice(1, 6)  # columns of the operations that move pixels
_TONE: dict[str, _Operation] = {  # the others, in the order of their columns
    "brightness": photometric.brightness,
    "color": photometric.color,
    "contrast": photometric.contrast,
    "sharpness": photometric.sharpness,
    "posterize": lambda images, lost: photometric.posterize(images, lost.clamp(0, 8)),
    "solarize": lambda images, below: photometric.solarize(images, below.clamp(0, 1)),
    "autocontrast": photometric.autocontrast,
    "equalize": photometric.equalize,
}


@dataclass(frozen=True)
class RandAugment(StrongView):
    """The strong view of FixMatch for RGB: weak view, `n` random operations, cutout.

    Every image draws `n` different operations and a strength for each, uniformly. On a
    GPU the operations run on the whole batch with strength 0 where they were not drawn:
    a dozen large steps instead of a loop over images, and no waiting for the GPU to
    report which image drew what. On a CPU only the images that drew one go through it;
    the result is the same.

    Source: Cubuk et al. 2020, with the pool of FixMatch (Sohn et al. 2020, appendix E).
    Ours differs: an image's operations are all different and run in a fixed order
    (geometry in one interpolation, then tone); ranges are symmetric; cutout hides a
    fraction of the side and fills it with the image's mean. `RandAugmentMC` is the
    pool that most torch implementations use, faithfully.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandAugment()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    n: int = 2  # operations per image
    distort: bool = True  # False: draw among the operations that move no pixels
    channels = 3

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw symmetry, shift, strengths (B, K), and cutout's center and side."""
        B = shape[0]
        moves = self.weak.sample_params(shape, generator)
        strengths = self.sample_strengths(B, generator)
        center = uniform((B, 2), 0, 1, generator)
        side = uniform((B,), 0, self.cutout, generator)
        return *moves, strengths, center, side

    def sample_strengths(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which operations each image gets, and how strong; 0 where not drawn.

        Shape: (B, len(OPERATIONS)), columns in the order of `OPERATIONS`.
        """
        K, device = len(OPERATIONS), generator.device
        lottery = torch.rand((batch, K), generator=generator, device=device)
        if not self.distort:
            lottery[:, _GEOMETRY] = -1  # never among the winners
        winners = lottery.topk(self.n, dim=1).indices  # (B, n), all different
        drawn = torch.zeros_like(lottery).scatter_(1, winners, 1.0)  # (B, K)
        position = torch.rand((batch, K), generator=generator, device=device)
        columns = []
        for k, (name, (low, high)) in enumerate(OPERATIONS.items()):
            scale = 1.0 if name in _SWITCHES else self.magnitude
            columns.append(scale * (low + (high - low) * position[:, k]))
        return torch.stack(columns, dim=1) * drawn

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move and distort. Shape: (B, C, H, W) -> the same."""
        which, shift, strengths = params[:3]
        images = self.weak.geometry(images, which, shift)
        return _apply_steps(images, [(_distort, strengths[:, _GEOMETRY])])

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change tone. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        strengths = params[2][:, _GEOMETRY.stop :].unbind(1)
        return _apply_steps(images, list(zip(_TONE.values(), strengths, strict=True)))


def _apply_steps(images: Tensor, steps: list[tuple[_Operation, Tensor]]) -> Tensor:
    """Apply operations one after the other, each at its strength per image (B, ...)."""
    if images.device.type != "cpu":
        for operation, strength in steps:
            images = operation(images, strength)
        return images
    # On a CPU only the images that drew an operation go through it
    result = list(images.unbind(0))  # B of (C, H, W)
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


def _distort(images: Tensor, strengths: Tensor) -> Tensor:
    degrees, shear, shift = strengths.split([1, 2, 2], dim=1)
    return affine(images, degrees=degrees[:, 0], shear=shear, shift=shift)


@dataclass(frozen=True)
class Contrastive(ContrastiveView):
    """SimCLR's view for RGB: random resized crop, symmetries, jitter, sometimes gray.

    The second strong view of CoMatch and of most contrastive methods.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> Contrastive()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    brightness: float = 0.4  # strengths are drawn from -0.4 to 0.4
    contrast: float = 0.4
    color: float = 0.4
    hue: float = 0.1  # turns
    channels = 3

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw five strengths for each image; see `color_jitter`."""
        size = (shape[0],)
        jittered = bernoulli(size, self.jitter_probability, generator) * self.magnitude
        ranges = (self.brightness, self.contrast, self.color, self.hue)
        strengths = [uniform(size, -r, r, generator) * jittered for r in ranges]
        return *strengths, bernoulli(size, self.gray_probability, generator)

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Jitter the colors. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        return photometric.color_jitter(images, *params[3:])
