"""What every augmentation shares: its own number for each image of a batch."""

__all__ = [
    "check_images",
    "check_rows",
    "coin",
    "in_pieces",
    "or_unchanged",
    "per_image",
    "uniform",
]

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

# Values of a piece: more of them would come from memory each time, with fewer the calls
# themselves would cost more than is saved.
_PIECE = 2**20


def check_images(images: Tensor, channels: int | None = None) -> None:
    """Refuse what no operation could treat sensibly, before it fails obscurely.

    Args:
        images: should be floating point (B, C, H, W).
        channels: the C an operation depends on; None accepts any.

    Raises:
        WorkshopError: wrong number of dimensions, integers, or wrong C.
    """
    if images.ndim != 4:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: augmentation works on batches"
            " (B, C, H, W); for a single image write image[None]."
        )
    if not images.is_floating_point():
        raise WorkshopError(
            f"images of type {images.dtype}: augmentation works on floating point;"
            " convert with to_float(images) first."
        )
    if channels is not None and images.shape[1] != channels:
        raise WorkshopError(
            f"images with {images.shape[1]} channels: this operation is defined for"
            f" {channels}; for multispectral images use workshop_lib.augment.spectral."
        )


def check_rows(values: Tensor | None, shape: tuple[int, ...], name: str) -> None:
    """Refuse parameters that are not one row per image; None passes.

    Raises:
        WorkshopError: another shape.
    """
    if values is not None and values.shape != shape:
        raise WorkshopError(
            f"{name} of shape {tuple(values.shape)}: this batch needs {shape}, one row"
            " per image."
        )


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Bring one value per image (or per image and band) into a shape that broadcasts.

    The values take the images' type, so that half precision stays half precision.

    Shape: `values` (B,) -> (B, 1, 1, 1); (B, C) -> (B, C, 1, 1).

    Raises:
        WorkshopError: other shapes.
    """
    B, C = images.shape[:2]
    if values.shape not in ((B,), (B, C)):
        raise WorkshopError(
            f"strengths of shape {tuple(values.shape)} for images of shape"
            f" {tuple(images.shape)}: give one per image ({B},), or, where an operation"
            f" treats bands apart, one per image and band ({B}, {C})."
        )
    return values.to(images.dtype).view(B, -1, 1, 1)


def in_pieces(
    change: Callable[..., Tensor],
    shape: Sequence[int],
    *arguments: Tensor,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Make images by a change that treats each by itself; on a CPU a few at a time.

    An augmentation goes over the pixels many times and computes little. A batch of
    large images has to come from memory each time, a few of them stay in the cache. A
    GPU gets the whole batch.

    Args:
        change: of the arguments' rows into images; its result must not depend on the
            other rows, and it draws no random numbers.
        shape: of the result, (B, C, H, W).
        arguments: each (B, ...): images, positions of images, parameters.
        memory_format: of the result; a network's convolutions like channels last.
    """
    few = max(1, _PIECE // max(1, math.prod(shape[1:])))
    if arguments[0].device.type != "cpu" or shape[0] <= few:
        return change(*arguments).contiguous(memory_format=memory_format)
    first, *others = zip(*(each.split(few) for each in arguments), strict=True)
    piece = change(*first)
    result = torch.empty(tuple(shape), dtype=piece.dtype, memory_format=memory_format)
    result[:few] = piece
    for k, rows in enumerate(others, start=1):
        result[k * few : (k + 1) * few] = change(*rows)
    return result


def or_unchanged(images: Tensor, changed: Tensor, unchanged: Tensor) -> Tensor:
    """Return `changed`, and bit for bit the image where nothing was to happen.

    A choice per pixel costs a CPU more than most changes, and mostly there is none to
    make; a GPU chooses for nothing and would have to wait for the answer.

    Shape: (B, C, H, W), the same, and (B,) of bool -> (B, C, H, W).
    """
    if images.device.type == "cpu" and not unchanged.any():
        return changed
    return torch.where(unchanged.view(-1, 1, 1, 1), images, changed)


def uniform(
    shape: tuple[int, ...], low: float, high: float, generator: torch.Generator
) -> Tensor:
    """Draw float32 numbers from [low, high), on the generator's device."""
    draws = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * draws


def coin(
    shape: tuple[int, ...], probability: float, generator: torch.Generator
) -> Tensor:
    """Draw 1.0 with the given probability, else 0.0, on the generator's device.

    As a factor of a strength it leaves an image out: strength 0 changes nothing.
    """
    draws = torch.rand(shape, generator=generator, device=generator.device)
    return (draws < probability).float()
