"""A batch of places as a dictionary of tensors: one entry per sensor, one for metadata.

An absent key is a sensor that no image of the batch has. An image that lacks a sensor
the others have is NaN there; the encoder puts a learned value in its place. Nothing is
packed into channels and parsed back, so a method never needs to know which sensors
there are.
"""

__all__ = [
    "METADATA",
    "Sample",
    "images_at_a_time",
    "interleaved",
    "join",
    "num_images",
    "take",
]

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

# "rgb" (B, 3, H, W), "s2" (B, 12, H, W), "s1" (B, 2, H, W), "dem" (B, 1, H, W),
# "metadata" (B, M), "features" (B, D, 1, 1)
Sample = dict[str, Tensor]
METADATA = "metadata"  # the only entry that is not an image

_PIXELS = 256 * 64 * 64  # of all images of one forward pass


def num_images(sample: Sample) -> int:
    """Return the number of images in a sample, B.

    Raises:
        WorkshopError: an empty sample, or entries of different lengths.

    >>> num_images({"s2": torch.zeros(4, 12, 8, 8), "s1": torch.zeros(4, 2, 8, 8)})
    4
    """
    sizes = {name: len(values) for name, values in sample.items()}
    if len(set(sizes.values())) != 1:
        raise WorkshopError(
            f"a sample with {sizes or 'no entry'}: give at least one sensor, and the"
            " same number of images for each."
        )
    return next(iter(sizes.values()))


def take(sample: Sample, index: Tensor | slice) -> Sample:
    """Return the images at some positions, of every sensor."""
    return {name: values[index] for name, values in sample.items()}


def join(samples: Sequence[Sample]) -> Sample | None:
    """Put batches one after the other; None where their sensors differ.

    >>> (two, three) = (torch.zeros(n, 2, 8, 8) for n in (2, 3))
    >>> join([{"s1": two}, {"s1": three}])["s1"].shape
    torch.Size([5, 2, 8, 8])
    """
    if any(sample.keys() != samples[0].keys() for sample in samples):
        return None
    return {name: torch.cat([s[name] for s in samples]) for name in samples[0]}


def images_at_a_time(sensors: Sample) -> int:
    """Return how many images to send through a network in one forward pass.

    256 up to 64 pixels; of larger ones as many as take the same memory, 20 at 224.
    """
    sides = [v.shape[-2] * v.shape[-1] for k, v in sensors.items() if k != METADATA]
    return max(1, min(256, _PIXELS // max(sides, default=1)))


def interleaved(images: Tensor) -> Tensor:
    """Lay images out as convolutions read them fastest."""
    if images.ndim != 4:
        return images
    return images.contiguous(memory_format=torch.channels_last)
