"""The augmentation base class, and helpers that give each image its own parameters."""

__all__ = [
    "Augmentation",
    "NoAugmentation",
    "Params",
    "Shape",
    "bernoulli",
    "check_images",
    "chunk_size",
    "in_chunks",
    "integers",
    "keep_unchanged",
    "per_image",
    "pixel_coordinates",
    "uniform",
]

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

Shape = Sequence[int]  # of a batch of images: B, C, H, W
Params = tuple[Tensor, ...]  # one row per image each

# Values in a chunk. Larger chunks come from memory on every pass over the pixels; with
# smaller ones the calls themselves cost more than the cache saves.
_CHUNK = 2**20


class Augmentation:
    """New views of a batch, each image changed in its own way.

    Called with float images (B, C, H, W), RGB in [0, 1] or reflectance >= 0, and a
    generator on the same device; returns new images of the same shape and range.

    `sample_params` draws all random numbers and `apply` only computes, so that a large
    batch can be computed a few images at a time, or shared among several processes,
    and still give the same views.

    `apply` is three steps, which images of several sensors take one by one (see
    `multimodal`): `geometry` moves pixels, `photometry` changes their values,
    `occlude` hides some of them.
    """

    channels: int | None = None  # the number it is defined for; None: any number

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw the random parameters of a batch: tensors of B rows, or none at all."""
        return ()

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move the pixels. Shape: (B, C, H, W) -> the same."""
        return images

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change the pixels' values. Shape: (B, C, H, W) -> the same."""
        return images

    def occlude(self, images: Tensor, *params: Tensor) -> Tensor:
        """Hide a part of each image. Shape: (B, C, H, W) -> the same."""
        return images

    def hidden(self, images: Tensor, *params: Tensor) -> Tensor | None:
        """Return what `occlude` hides, (B, H, W) bool; None if it hides nothing."""
        return None

    def apply(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change each image by its parameters. Shape: (B, C, H, W) -> the same."""
        moved = self.geometry(images, *params)
        return self.occlude(self.photometry(moved, *params), *params)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a new view of each image. Shape: (B, C, H, W) -> the same.

        Raises:
            WorkshopError: not floating point (B, C, H, W), or not `channels` of them.
        """
        check_images(images, self.channels)
        params = self.sample_params(images.shape, generator)
        return in_chunks(self.apply, images, *params)


class NoAugmentation(Augmentation):
    """Return the images unchanged: for ablations and for looking at the data."""


def check_images(
    images: Tensor, channels: int | None = None, *, any_type: bool = False
) -> None:
    """Refuse batches on which an operation would fail obscurely.

    Args:
        images: should be floating point (B, C, H, W).
        channels: the C an operation depends on; None accepts any.
        any_type: whether integers are fine too, as where pixels are only moved.

    Raises:
        WorkshopError: wrong number of dimensions, integers, or wrong C.
    """
    if images.ndim != 4:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: augmentation works on batches"
            " (B, C, H, W); for a single image write image[None]."
        )
    if not any_type and not images.is_floating_point():
        raise WorkshopError(
            f"images of type {images.dtype}: augmentation works on floating point;"
            " convert with to_float(images) first."
        )
    if channels is not None and images.shape[1] != channels:
        raise WorkshopError(
            f"images with {images.shape[1]} channels: this operation is defined for"
            f" {channels}; for multispectral images use workshop_lib.augment.spectral."
        )


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Reshape one value per image (or per image and band) so that it broadcasts.

    The values take the images' type, so that half precision stays half precision.

    Shape: `values` (B,) -> (B, 1, 1, 1); (B, C) -> (B, C, 1, 1).

    Raises:
        WorkshopError: other shapes, or images that are not floating point (B, C, H, W).
    """
    check_images(images)
    B, C = images.shape[:2]
    if values.shape not in ((B,), (B, C)):
        raise WorkshopError(
            f"strengths of shape {tuple(values.shape)} for images of shape"
            f" {tuple(images.shape)}: one per image ({B},), or per band too ({B}, {C})."
        )
    return values.to(images.dtype).view(B, -1, 1, 1)


def chunk_size(shape: Shape, device: torch.device) -> int:
    """Return how many images to treat at a time: all of them, unless on a CPU.

    An augmentation passes over the pixels many times and computes little. A batch of
    large images would come from memory each time; a few images stay in the cache. A
    GPU gets the whole batch.
    """
    if device.type != "cpu":
        return max(1, shape[0])
    return max(1, _CHUNK // max(1, math.prod(shape[1:])))


def in_chunks(change: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """Compute images that do not depend on each other; on a CPU a few at a time.

    Args:
        change: from rows of the arguments to images; its result must not depend on the
            other rows, and it draws no random numbers.
        arguments: images (B, C, H, W), and parameters of each, (B, ...).
    """
    few = chunk_size(arguments[0].shape, arguments[0].device)
    if len(arguments[0]) <= few:
        return change(*arguments).contiguous()
    rows = zip(*(each.split(few) for each in arguments), strict=True)
    return torch.cat([change(*some).contiguous() for some in rows])


def keep_unchanged(images: Tensor, changed: Tensor, unchanged: Tensor) -> Tensor:
    """Return `changed`, but bit for bit the original where nothing was to happen.

    A choice per pixel costs a CPU more than most changes, and mostly there is none to
    make, so a CPU looks first; a GPU chooses for free and would have to wait for the
    answer.

    Shape: (B, C, H, W), the same, and (B,) of bool -> (B, C, H, W).
    """
    if images.device.type == "cpu" and not unchanged.any():
        return changed
    return torch.where(unchanged.view(-1, 1, 1, 1), images, changed)


def pixel_coordinates(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixel centers' coordinates, -1 to 1: (1, 1, W) and (1, H, 1)."""
    H, W = images.shape[2:]
    u = (2 * torch.arange(W, device=images.device) + 1) / W - 1
    v = (2 * torch.arange(H, device=images.device) + 1) / H - 1
    return u.view(1, 1, W), v.view(1, H, 1)


def uniform(
    shape: tuple[int, ...], low: float, high: float, generator: torch.Generator
) -> Tensor:
    """Draw float32 numbers from [low, high), on the generator's device."""
    draws = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * draws


def integers(low: int, high: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` whole numbers from low to high - 1, on the generator's device."""
    device = generator.device
    return torch.randint(low, high, (count,), generator=generator, device=device)


def bernoulli(
    shape: tuple[int, ...], probability: float, generator: torch.Generator
) -> Tensor:
    """Draw 1.0 with the given probability, else 0.0, on the generator's device.

    As a factor of a strength it leaves an image out: strength 0 changes nothing.
    """
    return (uniform(shape, 0, 1, generator) < probability).float()
