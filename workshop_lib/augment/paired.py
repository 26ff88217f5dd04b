"""What an augmentation does to maps that belong to the images: masks, positions.

A mask goes where its image goes. Turns, shifts and distortions move it by the numbers
that were drawn for the image, reading the nearest pixel: half of class 2 and half of
class 4 is not class 3. Colours leave it alone. What comes in from outside is the mirror
image in both, so it fits. Under a hole (cutout) the image shows nothing: the mask says
so there.
"""

__all__ = ["Places", "hidden_by_holes", "move_masks", "places", "same_pixels"]

from functools import singledispatch
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment.geometry import affine, move, pixel_coordinates
from workshop_lib.augment.modal import ModalStrong, WithoutModalities
from workshop_lib.augment.policy import NoAugment, Policy
from workshop_lib.augment.randaugment import GEOMETRY, RandAugment
from workshop_lib.augment.spectral import SpectralStrong
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError


class Places(NamedTuple):
    """Where a policy puts the pixels of each image: all that masks have to know.

    Done in this order; None leaves a part out. Shapes as of `move`, `affine`, `cutout`.
    """

    which: Tensor | None = None  # (B,) symmetry
    shift: Tensor | None = None  # (B, 2) pixels
    distortion: dict[str, Tensor] = {}  # arguments of `affine`
    centre: Tensor | None = None  # (B, 2) of the hole
    side: Tensor | None = None  # (B,) of the hole


@singledispatch
def places(policy: Policy, drawn: tuple[Tensor, ...]) -> Places:
    """Read from the numbers that a policy drew where it puts the pixels.

    Raises:
        WorkshopError: a policy whose geometry is not known here.
    """
    raise WorkshopError(
        f"{type(policy).__name__} cannot be applied to masks: for segmentation use the"
        " views 'none', 'weak' or 'strong'."
    )


@places.register
def _(policy: NoAugment, drawn: tuple[Tensor, ...]) -> Places:
    return Places()


@places.register
def _(policy: Weak, drawn: tuple[Tensor, ...]) -> Places:
    which, shift = drawn
    return Places(which, shift)


@places.register
def _(policy: SpectralStrong, drawn: tuple[Tensor, ...]) -> Places:
    which, shift, *four, _light, _flat, _pale, amount, centre = drawn
    names = ("degrees", "shear", "shift", "zoom")
    distortion = dict(zip(names, four, strict=True))
    side = torch.full_like(amount, min(1.0, policy.cutout * policy.magnitude))
    return Places(which, shift, distortion, centre, side)


@places.register
def _(policy: RandAugment, drawn: tuple[Tensor, ...]) -> Places:
    which, shift, strengths, centre, side = drawn
    degrees, shear, slide = strengths[:, GEOMETRY].split([1, 2, 2], dim=1)
    distortion = {"degrees": degrees[:, 0], "shear": shear, "shift": slide}
    return Places(which, shift, distortion, centre, side)


@places.register
def _(policy: ModalStrong, drawn: tuple[Tensor, ...]) -> Places:
    *spectral, _offset, _speckle, _lift = drawn
    return places(policy.spectral, tuple(spectral))


@places.register
def _(policy: WithoutModalities, drawn: tuple[Tensor, ...]) -> Places:
    return places(policy.policy, drawn[:-1])


def move_masks(masks: Tensor, where: Places, hidden: int) -> Tensor:
    """Move masks as the images were moved.

    Args:
        masks: (B, H, W) whole numbers below 2**24: classes, or positions of pixels.
        where: of these images.
        hidden: what to write where the image has a hole; 255 for classes, which losses
            ignore.

    Returns:
        (B, H, W) of the same type.
    """
    maps = masks[:, None].float()  # exact for such numbers; what geometry works on
    maps = move(maps, where.which, where.shift)
    if where.distortion:
        maps = affine(maps, mode="nearest", **where.distortion)
    moved = maps[:, 0].to(masks.dtype)
    if where.centre is None or where.side is None:
        return moved
    return moved.masked_fill(hidden_by_holes(moved, where.centre, where.side), hidden)


def hidden_by_holes(masks: Tensor, centre: Tensor, side: Tensor) -> Tensor:
    """Tell which pixels `cutout` hides. (B, H, W), (B, 2), (B,) -> (B, H, W) bool."""
    u, v = pixel_coordinates(masks[:, None])
    middle_v, middle_u = (2 * centre - 1).view(-1, 2, 1, 1).unbind(1)
    half = side.view(-1, 1, 1)
    return ((u - middle_u).abs() < half) & ((v - middle_v).abs() < half)


def same_pixels(shape: tuple[int, int], weak: Places, strong: Places) -> Tensor:
    """Find for each pixel of one view the pixel of another that shows the same ground.

    The weak view's geometry is undone, the strong view's done: what the network says of
    the weak view can then be compared, pixel by pixel, with what it says of the strong.

    Args:
        shape: height and width of the images.
        weak, strong: of the same B images; the weak one without distortion or hole.

    Returns:
        (B, H, W) int64: position (row * W + column) in the weak view; -1 where the weak
        view does not show that ground, or the strong one has a hole.

    Raises:
        WorkshopError: a weak view that is distorted or has a hole.
    """
    if weak.distortion or weak.centre is not None:
        raise WorkshopError(
            "the geometry of a distorted view cannot be undone: pseudo-labels come from"
            " the views 'weak' or 'none'."
        )
    given = [t for t in (*weak[:2], *strong[:2]) if t is not None]
    if not given:
        raise WorkshopError("two unchanged views: there is nothing to compare.")
    (H, W), B, device = shape, len(given[0]), given[0].device
    ground = torch.arange(H * W, device=device).view(1, H, W).expand(B, H, W)
    seen = move_masks(ground, weak, hidden=-1).view(B, H * W)  # weak pixel -> ground
    undone = torch.full((B, H * W), -1, device=device)  # ground -> weak pixel
    # The mirror shows some ground twice; the larger position, so that it is always one
    undone.scatter_reduce_(1, seen, ground.reshape(B, H * W), "amax")
    shown = move_masks(ground, strong, hidden=-1).view(B, H * W)  # strong -> ground
    found = undone.gather(1, shown.clamp_min(0))
    return found.masked_fill(shown < 0, -1).view(B, H, W)
