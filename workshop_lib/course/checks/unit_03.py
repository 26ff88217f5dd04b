"""Checks of unit 03: the weak view, and a hole in the image.

Both exercises draw random numbers, so there is no single right result: the checks test
properties that every right answer has.
"""

__all__ = ["cutout", "weak_view"]

import math
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment.geometry import symmetry
from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import generator, global_random

# Each direction is then mirrored in 30 % to 70 % of the images, but for one draw in a
# million
_BATCH = 200
_UNCHANGED = 0.1  # at most so many images may have their hole beyond the border
_INTEGERS = (
    "only the first two images of the batch are used: the draws are the integers 0 and"
    " 1, and as an index these mean image 0 and image 1. Make them a bool mask,"
    " torch.rand(B, generator=generator) < 0.5, or choose with torch.where."
)


@exercise("weak_view(images, generator)")
def weak_view(attempt: Attempt) -> str:
    """Check random mirroring: each image left and right, top and bottom, or not.

    The learner's `weak_view(images, generator)` takes (B, C, H, W) and a
    torch.Generator, and mirrors each image left and right with probability 1/2, and
    independently top and bottom. All eight symmetries of the square pass too.
    """
    case = f"{_BATCH} images of 3 bands and 6 x 6 pixels"
    images = torch.rand(_BATCH, 3, 6, 6, generator=generator(1))
    came = _views(attempt, case, images)
    _check_luck(attempt, case, _which(attempt, case, images, came))
    small = torch.rand(3, 4, 5, 8, generator=generator(2))  # not square, four bands
    case = "3 images of 4 bands and 5 x 8 pixels"
    _which(attempt, case, small, _views(attempt, case, small))
    return "each image is mirrored independently, and no value is changed"


def _views(attempt: Attempt, case: str, images: Tensor, *settings: float) -> Tensor:
    """Call the function; check that it keeps the shape and uses its generator."""

    def view(seed: int) -> Tensor:
        given = attempt.run(case, images, *settings, generator(seed))
        came = as_tensor(given)
        if came is None or came.shape != images.shape:
            likely = "a view has the shape of the batch, (B, C, H, W) in and out."
            expected = f"shape {tuple(images.shape)}"
            attempt.fail(case, likely, describe(given), expected)
        return came

    before = global_random()
    came = view(0)
    attempt.require(
        global_random() == before and torch.equal(view(0), came),
        case,
        "the generator is not used: pass it on, as in torch.rand(B,"
        " generator=generator), so that a training run can be repeated.",
        "random numbers from elsewhere",
        "equal generators give equal views",
    )
    changed = (came != images).flatten(1).any(1)  # (B,)
    if not changed.any():
        likely = "nothing is changed at all: does the result of flip get lost?"
    elif len(images) > 2 and not changed[2:].any():
        likely = _INTEGERS
    else:
        likely = (
            "every generator gives the same view: either nothing is drawn, so that"
            " every image changes in the same way each time, or the function seeds its"
            " generator itself."
        )
    attempt.require(
        any(not torch.equal(view(seed), came) for seed in range(1, 9)),
        case,
        likely,
        "the same view from nine generators",
        "different views",
    )
    return came


def _which(attempt: Attempt, case: str, images: Tensor, came: Tensor) -> Tensor:
    """Find the symmetry of each image, (B,); refuse anything else."""
    B = len(images)
    kinds = range(8 if images.shape[2] == images.shape[3] else 4)
    turned = [symmetry(images, torch.full((B,), k)).to(came.dtype) for k in kinds]
    hit = torch.stack([_equal(came, view) for view in turned])  # (8, B)
    if hit.any(0).all():
        return hit.int().argmax(0)
    reversed_bands = torch.stack([_equal(came, v.flip(1)) for v in turned]).any(0)
    known = [{tuple(row) for row in v.flatten(1).tolist()} for v in turned]
    first = {tuple(row) for v in turned for row in v[:2].flatten(1).tolist()}
    rows = {tuple(row) for row in came.flatten(1).tolist()}
    if (hit.any(0) | reversed_bands).all():
        likely = (
            "the order of the bands is reversed: flip the last dimension, -1, for left"
            " and right, and -2 for top and bottom."
        )
    elif rows <= first:
        likely = _INTEGERS
    elif rows <= set().union(*known):
        likely = (
            "images have changed places in the batch, and no longer fit their labels:"
            " dim 0 counts the images. Flip dimension -1 and -2."
        )
    else:
        likely = (
            "a mirror only moves pixels, in all bands of an image alike: draw one"
            " number per image, (B,), and use flip."
        )
    attempt.fail(
        case,
        likely,
        f"{int((~hit.any(0)).sum())} of {B} images are no mirror image of themselves",
        "each image itself or its mirror image",
    )


def _equal(a: Tensor, b: Tensor) -> Tensor:
    return (a == b).flatten(1).all(1)  # (B,)


def _check_luck(attempt: Attempt, case: str, which: Tensor) -> None:
    """Check how often each mirror was used over the batch. Shape: (B,), 0 to 7."""
    upright, sideways = (which & 1).bool(), (which & 2).bool()
    up, side = float(upright.float().mean()), float(sideways.float().mean())
    attempt.require(
        len(which.unique()) > 1,
        case,
        "one draw decides for the whole batch: all images are mirrored, or none. Draw"
        " (B,) numbers and choose image by image, as torch.where does.",
        "the same change for every image of a batch",
        "a draw for each image",
    )
    if min(up, side) == 0:
        words = "left and right (dimension -1)" if side == 0 else (
            "top and bottom (dimension -2)")  # fmt: skip
        likely = f"no image is ever mirrored {words}."
    else:
        likely = "compare the draws with 0.5: each direction with probability 1/2."
    attempt.require(
        0.3 < up < 0.7 and 0.3 < side < 0.7,
        case,
        likely,
        f"{100 * side:.0f} % mirrored left-right, {100 * up:.0f} % top-bottom",
        "about half of each",
    )
    both, seen = upright & sideways, (which & 3).unique()
    attempt.require(
        len(seen) == 4 and 0.1 < float(both.float().mean()) < 0.4,
        case,
        "one draw decides for both directions: mirror left and right by one draw, top"
        " and bottom by another, so that all four views occur.",
        f"{len(seen)} of the four views",
        "four views, each of about a quarter of the images",
    )


class _Hole(NamedTuple):
    """The rectangle in which an image was changed, in pixels."""

    top: int
    left: int
    height: int
    width: int
    solid: bool  # every pixel of the rectangle is changed, in all bands


@exercise("cutout(images, size, generator)")
def cutout(attempt: Attempt) -> str:
    """Check a square hole at a random position of each image.

    The learner's `cutout(images, size, generator)` takes (B, C, H, W), the side of the
    hole as a fraction of the image's side, and a torch.Generator. Each hole is filled
    with the image's own mean per band. It may extend over the border or stay inside.
    """
    for side, size in ((32, 0.5), (64, 0.5), (32, 0.25)):
        case = f"40 images of {side} x {side} pixels, size {size}"
        images = torch.rand(40, 3, side, side, generator=generator(side))
        # Means that differ from image to image and from band to band
        images = images * torch.linspace(0.3, 1, 120).view(40, 3, 1, 1)
        came = _views(attempt, case, images, size)
        _check_holes(attempt, case, images, came, size)
        _check_filling(attempt, case, images, came)
    return "32 and 64 pixels, two sizes: a hole per image, filled with its own mean"


def _find_hole(before: Tensor, after: Tensor) -> _Hole | None:
    """Measure the changed rectangle of one image; (C, H, W) each."""
    differs = before != after
    if not differs.any():
        return None
    rows, columns = (differs.any(0).any(d).nonzero().flatten() for d in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    solid = int(differs.sum()) == len(differs) * height * width
    return _Hole(top, left, height, width, solid)


def _check_holes(
    attempt: Attempt, case: str, images: Tensor, came: Tensor, size: float
) -> None:
    found = [_find_hole(a, b) for a, b in zip(images, came, strict=True)]
    holes = [hole for hole in found if hole is not None]
    side = images.shape[-1]
    wanted, lost = round(size * side), len(found) - len(holes)
    tallest, widest = max(h.height for h in holes), max(h.width for h in holes)
    off = max(abs(tallest - wanted), abs(widest - wanted))
    findings = {
        "some images get no hole. If the centre is nearer to the border than half a"
        " hole, top - half is below 0, and a slice counts that from the end: limit it,"
        " max(0, top), or draw the corner so that the hole stays inside.": (
            lost > _UNCHANGED * len(found),
            f"{lost} of {len(found)} images unchanged",
        ),
        "a single square in all bands is wanted: images[:, :, top:bottom, left:right],"
        " or rows and columns between two limits.": (
            not all(h.solid for h in holes),
            "changed pixels that are no such square",
        ),
        _size_hint(tallest, widest, side, size): (
            off > 1,
            f"holes up to {tallest} x {widest} pixels",
        ),
        "all holes of the batch are at one position: draw a row and a column for each"
        " image, (B,) of both.": (
            len({(h.top, h.left) for h in holes}) == 1,
            "one position in 40 images",
        ),
        "row and column depend on one draw: draw each independently.": (
            any(len({h[axis] for h in holes}) == 1 for axis in (0, 1))
            or all(h.top == h.left for h in holes),
            "holes along a line only",
        ),
    }
    for likely, (wrong, what) in findings.items():
        expected = f"{wanted} x {wanted} pixels, or less at the border"
        attempt.require(not wrong, case, likely, what, expected)


def _size_hint(tallest: int, widest: int, side: int, size: float) -> str:
    if (widest == side) != (tallest == side):
        return (
            "whole rows or columns are gone: the hole ends on all four sides, so limit"
            " rows and columns (images[:, :, top:bottom, left:right])."
        )
    if tallest == widest == 16:
        return (
            "the hole is 16 pixels wide, whatever the image: at 224 pixels that hides"
            " half a per cent instead of a quarter. Multiply the fraction by H and W."
        )
    if abs(tallest - math.sqrt(size) * side) <= 1:
        return "`size` was used as a fraction of the area: it is one of the side."
    if tallest >= min(side, 2 * size * side - 1):
        return "the hole is twice as wide: half of it is on either side of its centre."
    return "the side in pixels is the fraction times the side of the image, rounded."


def _check_filling(attempt: Attempt, case: str, images: Tensor, came: Tensor) -> None:
    hole = (images != came).any(1, keepdim=True)  # (B, 1, H, W)
    own = "Take each image's own, band by band: mean((2, 3), keepdim=True)."
    fillings = {
        "": images.mean((2, 3), keepdim=True),
        f"the mean of the batch fills every hole: one image leaks into the others."
        f" {own}": images.mean((0, 2, 3), keepdim=True),
        f"the hole is grey: one number for all bands. {own}": images.mean(
            (1, 2, 3), keepdim=True
        ),
        "the hole is black: 0 is a strong signal where no pixel is. Fill it with the"
        " image's own mean per band.": torch.zeros(()),
    }
    for likely, filling in fillings.items():
        if torch.allclose(torch.where(hole, filling, images), came.float(), atol=1e-4):
            attempt.require(
                not likely, case, likely, "another value in the holes", "the means"
            )
            return
    first = int(hole.flatten(1).any(1).int().argmax())
    attempt.fail(
        case,
        "fill each hole with the mean of its image, band by band:"
        " images.mean((2, 3), keepdim=True) has the shape (B, C, 1, 1).",
        f"in the first hole {describe(came[first][:, hole[first, 0]])}",
        f"the means of its bands, {describe(images[first].mean((1, 2)))}",
    )
