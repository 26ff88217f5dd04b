"""Strong and contrastive views of photographs: RandAugment, and SimCLR's jitter.

`RandAugment` is our own default: it changes whole batches where they are.
`RandAugmentMC` is the pool that nearly every torch FixMatch uses, which is defined by
what Pillow does with 8-bit images. So it is left to Pillow, on the CPU: a comparison
with published torch numbers then compares methods, not augmentations.
"""

__all__ = [
    "POOL",
    "Contrastive",
    "RandAugment",
    "RandAugmentMC",
    "apply_operation",
    "gray_square",
]

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor

from workshop_lib.augment import base, photometric
from workshop_lib.augment.base import Augmentation, Params, Shape
from workshop_lib.augment.geometry import ContrastiveView, Weak, affine
from workshop_lib.augment.occlusion import StrongView

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
_TONE = [*OPERATIONS][_GEOMETRY.stop :]  # the others, functions of `photometric`


@dataclass(frozen=True)
class RandAugment(StrongView):
    """The strong view of FixMatch for RGB: weak view, `n` random operations, cutout.

    Every image draws `n` different operations and a strength for each, uniformly. A GPU
    does all operations to the whole batch, at strength 0 where they were not drawn: it
    need not be waited for to report which image drew what. On a CPU only the images
    that drew one go through it; the result is the same.

    Source: Cubuk et al. 2020, with the pool of FixMatch (Sohn et al. 2020, appendix E).
    Ours differs: an image's operations are all different and run in a fixed order
    (geometry in one interpolation, then tone); ranges are symmetric; cutout hides a
    fraction of the side and fills it with the image's mean.

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
        center = base.uniform((B, 2), 0, 1, generator)
        side = base.uniform((B,), 0, self.cutout, generator)
        return *moves, strengths, center, side

    def sample_strengths(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which operations each image gets, and how strong; 0 where not drawn.

        Shape: (B, len(OPERATIONS)), columns in the order of `OPERATIONS`.
        """
        K = len(OPERATIONS)
        lottery = base.uniform((batch, K), 0, 1, generator)
        if not self.distort:
            lottery[:, _GEOMETRY] = -1  # never among the winners
        winners = lottery.topk(self.n, dim=1).indices  # (B, n), all different
        drawn = torch.zeros_like(lottery).scatter_(1, winners, 1.0)  # (B, K)
        position = base.uniform((batch, K), 0, 1, generator)
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
        operations = [getattr(photometric, name) for name in _TONE]
        return _apply_steps(images, list(zip(operations, strengths, strict=True)))


def _apply_steps(images: Tensor, steps: list[tuple[_Operation, Tensor]]) -> Tensor:
    """Apply operations one after the other, each at its strength per image (B, ...)."""
    if images.device.type != "cpu":
        for operation, strength in steps:
            images = operation(images, strength)
        return images
    images = images.clone()
    for operation, strength in steps:
        drawn = strength.reshape(len(images), -1).any(1).nonzero().flatten()  # (b,)
        if len(drawn) > 0:
            after = operation(images.index_select(0, drawn), strength[drawn])
            images.index_copy_(0, drawn, after)
    return images


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

    # Largest strengths, up and down, of brightness, contrast, color, and hue (turns)
    ranges: tuple[float, ...] = (0.4, 0.4, 0.4, 0.1)
    channels = 3

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw five strengths for each image; see `color_jitter`."""
        size, m = (shape[0],), self.magnitude
        jittered = base.bernoulli(size, self.jitter_probability, generator) * m
        drawn = [base.uniform(size, -r, r, generator) for r in self.ranges]
        strengths = [each * jittered for each in drawn]
        return *strengths, base.bernoulli(size, self.gray_probability, generator)

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Jitter the colors. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        return photometric.color_jitter(images, *params[3:])


_CUTOUT_PIXELS = 16  # half of CIFAR's 32, whatever the size of the image


_Row = tuple[float, float, float]


def _warp(image: Image.Image, x: _Row = (1, 0, 0), y: _Row = (0, 1, 0)) -> Image.Image:
    """Read each pixel (u, v) at x and y, weights of (u, v, 1); black outside."""
    return image.transform(image.size, Image.Transform.AFFINE, (*x, *y))


# Name -> operation, largest value, bias: level v of 1 to 9 is v * largest / 10 + bias.
_ByPillow = Callable[[Image.Image, float], Image.Image]
POOL: dict[str, tuple[_ByPillow, float, float]] = {
    "AutoContrast": (lambda image, _: ImageOps.autocontrast(image), 0, 0),
    "Brightness": (lambda im, by: ImageEnhance.Brightness(im).enhance(by), 0.9, 0.05),
    "Color": (lambda im, by: ImageEnhance.Color(im).enhance(by), 0.9, 0.05),
    "Contrast": (lambda im, by: ImageEnhance.Contrast(im).enhance(by), 0.9, 0.05),
    "Equalize": (lambda image, _: ImageOps.equalize(image), 0, 0),
    "Identity": (lambda image, _: image, 0, 0),
    "Posterize": (lambda im, bits: ImageOps.posterize(im, int(bits)), 4, 4),
    "Rotate": (lambda image, degrees: image.rotate(degrees), 30, 0),
    "Sharpness": (lambda im, by: ImageEnhance.Sharpness(im).enhance(by), 0.9, 0.05),
    "ShearX": (lambda image, slant: _warp(image, x=(1, slant, 0)), 0.3, 0),
    "ShearY": (lambda image, slant: _warp(image, y=(slant, 1, 0)), 0.3, 0),
    "Solarize": (lambda im, below: ImageOps.solarize(im, 256 - int(below)), 256, 0),
    # By whole pixels of a fraction of the side; positive moves the content left or up
    "TranslateX": (lambda im, by: _warp(im, x=(1, 0, int(by * im.width))), 0.3, 0),
    "TranslateY": (lambda im, by: _warp(im, y=(0, 1, int(by * im.height))), 0.3, 0),
}
_SIGNED = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


@dataclass(frozen=True)
class RandAugmentMC(Augmentation):
    """Mirror and shift, `n` operations of `POOL`, and cutout: the torch ports' view.

    It departs from the paper (Sohn et al. 2020, appendix E) in ways that all its
    descendants carry:

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
            operation = base.integers(0, len(POOL), B, generator)
            level = base.integers(1, self.m, B, generator)
            sign = 1 - 2 * base.integers(0, 2, B, generator)
            happens = base.integers(0, 2, B, generator)
            rounds.append(torch.stack([operation, level, sign, happens], 1))  # (B, 4)
        x, y = base.uniform((B, 2), 0, 1, generator).unbind(1)
        return *moves, torch.stack(rounds, 1), torch.stack([x * W, y * H], 1)

    def apply(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move, round to 8 bits, change. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        *moves, rounds, center = params
        moved = self.weak.apply(images, *moves)
        pixels = (moved * 255).round().clamp(0, 255).to(torch.uint8)
        names, changed = list(POOL), []
        arrays = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (B, H, W, 3)
        drawn = zip(rounds.tolist(), center.tolist(), strict=True)
        for array, (operations, (x, y)) in zip(arrays, drawn, strict=True):
            image = Image.fromarray(array)
            for operation, level, sign, happens in operations:
                if happens:
                    image = apply_operation(names[operation], image, level, sign)
            changed.append(np.asarray(gray_square(image, x, y)))
        pixels = torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2)
        return pixels.to(images.device, images.dtype) / 255


def apply_operation(
    name: str, image: Image.Image, level: int, sign: int = 1
) -> Image.Image:
    """Apply one operation of `POOL` at a level from 1 to 9; a sign of -1 turns it."""
    operation, largest, bias = POOL[name]
    value = level * largest / 10 + bias
    return operation(image, sign * value if name in _SIGNED else value)


def gray_square(image: Image.Image, x: float, y: float) -> Image.Image:
    """Paint a gray square about a place as the published `CutoutAbs` does.

    Pillow's rectangles include their end, so the square measures 17 pixels. At the left
    and top border it is moved inside, at the right and bottom it is cut.
    """
    painted, half = image.copy(), _CUTOUT_PIXELS / 2
    left, top = int(max(0, x - half)), int(max(0, y - half))
    box = left, top, left + _CUTOUT_PIXELS, top + _CUTOUT_PIXELS
    ImageDraw.Draw(painted).rectangle(box, (127, 127, 127))
    return painted
