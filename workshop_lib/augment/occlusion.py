"""What a view hides: a rectangle (cutout), a box of another image's pixels (CutMix).

Or a whole sensor (modality dropout): a network that has never seen an image without
radar fails on the first one.
"""

__all__ = [
    "Follow",
    "ModalityDropout",
    "StrongView",
    "cutmix",
    "cutout",
    "partner_distance",
    "sample_boxes",
]

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment import base
from workshop_lib.augment.base import Augmentation
from workshop_lib.augment.geometry import Weak
from workshop_lib.ranks import own_rows, world_size
from workshop_lib.sample import METADATA, Sample

BOX_AREA = (0.15, 0.5)  # of a CutMix box, as a fraction of the image
BOX_RATIO = 2.0  # longest side of the box, as a multiple of the other one


def cutout(images: Tensor, center: Tensor, size: Tensor) -> Tensor:
    """Hide a rectangle of each image, so that no single spot can carry the decision.

    The hidden pixels get the image's own mean per band, which suits any unit.

    Source: DeVries & Taylor 2017. Ours is a fraction of the sides, never a fixed number
    of pixels, so that it means the same at every image size.

    Args:
        images: (B, C, H, W).
        center: (B, 2) row and column of the center, as fractions of height and width.
            What reaches over the border is cut off there.
        size: (B,) sides of the rectangle as a fraction of the sides of the image; 0
            hides nothing.

    Raises:
        WorkshopError: not floating point (B, C, H, W).
    """
    base.check_images(images)
    inside_v, inside_u = _inside(images, center, size)  # (B, H, 1), (B, 1, W)
    value = images.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
    if images.device.type != "cpu":
        hidden = (inside_u & inside_v)[:, None]  # (B, 1, H, W)
        return torch.where(hidden, value, images)
    result = images.clone()
    # On a CPU writing a few rectangles is ten times quicker than choosing per pixel
    edges = [*_first_and_end(inside_v[:, :, 0]), *_first_and_end(inside_u[:, 0])]
    for image, inside, box in zip(result, value, zip(*edges, strict=True), strict=True):
        top, bottom, left, right = box
        image[:, top:bottom, left:right] = inside
    return result


def _inside(images: Tensor, center: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows (B, H, 1) and columns (B, 1, W) inside of the rectangles."""
    B = len(images)
    u, v = base.pixel_coordinates(images)
    half = size.view(B, 1, 1)  # half of the span from -1 to 1
    middle_v, middle_u = (2 * center - 1).unbind(1)
    inside_u = (u - middle_u.view(B, 1, 1)).abs() < half
    inside_v = (v - middle_v.view(B, 1, 1)).abs() < half
    return inside_v, inside_u


def _first_and_end(inside: Tensor) -> tuple[list[int], list[int]]:
    """Where each row's single run of True begins and ends. (B, n) -> B numbers each."""
    first = inside.int().argmax(1)
    return first.tolist(), (first + inside.sum(1)).tolist()


@dataclass(frozen=True)
class StrongView(Augmentation):
    """A weak view that is changed further, and in which cutout hides a square.

    Subclasses say what the changes are. Their first parameters are those of `weak`,
    their last two the square's center (B, 2) and side (B,).
    """

    magnitude: float = 1.0  # multiplies the ranges of the changes
    cutout: float = 0.5  # largest side of the hidden square, as a fraction of the image
    weak: Weak = field(default_factory=Weak)

    def occlude(self, images: Tensor, *params: Tensor) -> Tensor:
        """Hide a square. Shape: (B, C, H, W) -> the same."""
        return cutout(images, *params[-2:])

    def hidden(self, images: Tensor, *params: Tensor) -> Tensor:
        """Return which pixels the square hides: (B, H, W) bool."""
        inside_v, inside_u = _inside(images, *params[-2:])
        return inside_v & inside_u


def sample_boxes(
    shape: tuple[int, int, int], probability: float, generator: torch.Generator
) -> Tensor:
    """Draw a CutMix box for each image, or none.

    Args:
        shape: B, H, W.
        probability: that an image gets a box.
        generator: on the device where the boxes are wanted.

    Returns:
        (B, H, W) bool: True in the box.
    """
    B, *sides = shape
    area = base.uniform((B,), *BOX_AREA, generator)
    ratio = torch.exp(base.uniform((B,), -1, 1, generator) * math.log(BOX_RATIO))
    size = torch.stack([area * ratio, area / ratio], 1).sqrt().clamp(max=1)  # (B, 2)
    corner = base.uniform((B, 2), 0, 1, generator) * (1 - size)
    inside = []
    for k, side in enumerate(sides):
        pixel = (torch.arange(side, device=generator.device) + 0.5) / side  # centers
        first, end = corner[:, k : k + 1], (corner + size)[:, k : k + 1]
        inside.append((pixel >= first) & (pixel < end))  # (B, side)
    chosen = base.bernoulli((B,), probability, generator).bool()
    return inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None]


def cutmix(values: Tensor, boxes: Tensor, distance: int = 1) -> Tensor:
    """Fill each image's box with the same pixels of another image of the batch.

    Scenes are then side by side that never are in nature, with a sharp border: the
    network has to recognize each from its own pixels. In the semi-supervised learning
    of maps this is worth more than any change of colors (French et al. 2020); for
    images of one label each: Yun et al. 2019.

    Args:
        values: (B, C, H, W) images, or (B, H, W) maps.
        boxes: (B, H, W) bool, from `sample_boxes`.
        distance: how many places before, in the batch, the other image is.
    """
    inside = boxes[:, None] if values.ndim == 4 else boxes
    return torch.where(inside, values.roll(distance, dims=0), values)


def partner_distance(batch: int) -> int:
    """Return how far before each image of this rank its partner in CutMix is.

    The largest power of two below the global batch's size: with 2, 4, 8, ... ranks the
    partner is on the same rank, and the same image as with one. With another number of
    ranks it is the image before on the same rank.
    """
    distance, ranks = 1 << (max(batch - 1, 1).bit_length() - 1), world_size()
    return distance // ranks if distance % ranks == 0 else 1


@dataclass(frozen=True)
class Follow:
    """Do to a map of the weak view what CutMix and cutout did to the strong view.

    A method applies it to pseudo-labels and confidences: they then lie on the same
    pixels as the strong view's predictions, and where the strong view shows nothing
    the confidence is 0. `follow(torch.ones(B, H, W))` is 1 where it is visible.

    Args:
        boxes: (B, H, W) bool, the boxes of CutMix.
        distance: of CutMix; see `cutmix`.
        hidden: (B, H, W) bool, the pixels that cutout hid, after CutMix.
    """

    boxes: Tensor | None = None
    distance: int = 1
    hidden: Tensor | None = None

    def mix(self, sample: Sample) -> Sample:
        """Do CutMix to the images of a sample, channels last as they are."""
        if self.boxes is None:
            return sample
        mixed = dict(sample)  # metadata stays each image's own
        for name in sample.keys() - {METADATA}:
            values = cutmix(sample[name], self.boxes, self.distance)
            mixed[name] = values.contiguous(memory_format=torch.channels_last)
        return mixed

    def __call__(self, values: Tensor) -> Tensor:
        """Return maps (B, H, W) or (B, K, H, W) changed, anything else unchanged."""
        if values.ndim < 3:
            return values
        if self.boxes is not None:
            values = cutmix(values, self.boxes, self.distance)
        if self.hidden is not None:
            hidden = self.hidden if values.ndim == 3 else self.hidden[:, None]
            values = values.masked_fill(hidden, 0)
        return values


class ModalityDropout:
    """Leave out each sensor of an image with some probability, but never its last one.

    Args:
        probability: of each sensor, to be left out.
        images: all N images by sensor; read once, to find which sensors each has.
    """

    def __init__(self, probability: float, images: Sample) -> None:
        self.probability = probability
        columns = [
            torch.cat([~some.isnan().flatten(1).all(1) for some in values.split(256)])
            for values in images.values()
        ]
        self.present = torch.stack(columns, 1)  # (N, number of sensors)

    def __call__(
        self, index: Tensor, shown: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Draw which sensors are left out: bool, a row for each image of this rank.

        Args:
            index: (B,) positions of the images, of all ranks.
            shown: (number of sensors,) bool: the sensors that the view shows.
            generator: on the device of the images.
        """
        numbers = base.uniform((len(index), len(shown)), 0, 1, generator)
        numbers = own_rows(numbers)
        candidates = self.present[own_rows(index)] & shown  # one of these stays
        highest = numbers.masked_fill(~candidates, -1).amax(1, keepdim=True)
        return (numbers < self.probability) & (numbers < highest)
