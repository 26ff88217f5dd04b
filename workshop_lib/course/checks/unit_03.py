"""Checks of unit 03: the weak view, and a hole in the image.

Both exercises draw random numbers, so there is no single right result: the checks test
properties that every right answer has.
"""

__all__ = ["cutout", "weak_view"]

import math
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment.geometry import dihedral
from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import generator, global_random

# Each direction is then mirrored in 30 % to 70 % of the images, but for one draw in a
# million
_BATCH = 200
_UNCHANGED = 0.1  # at most so many images may have their hole beyond the border


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
            expected = f"shape {tuple(images.shape)}"
            attempt.fail(case, attempt.hint("shape"), describe(given), expected)
        return came

    before = global_random()
    came = view(0)
    used = global_random() == before and torch.equal(view(0), came)
    what = "different views from equal generators"
    attempt.require(used, case, "generator_unused", what, "equal views")
    changed = (came != images).flatten(1).any(1)  # (B,)
    hint = "nothing_drawn"
    if not changed.any():
        hint = "unchanged"
    elif len(images) > 2 and not changed[2:].any():
        hint = "integers"
    drawn = any(not torch.equal(view(seed), came) for seed in range(1, 9))
    what = "the same view from nine generators"
    attempt.require(drawn, case, hint, what, "different views")
    return came


def _which(attempt: Attempt, case: str, images: Tensor, came: Tensor) -> Tensor:
    """Find the symmetry of each image, (B,); refuse anything else."""
    B = len(images)
    kinds = range(8 if images.shape[2] == images.shape[3] else 4)
    turned = [dihedral(images, torch.full((B,), k)).to(came.dtype) for k in kinds]
    hit = torch.stack([_equal(came, view) for view in turned])  # (8, B)
    if hit.any(0).all():
        return hit.int().argmax(0)
    reversed_bands = torch.stack([_equal(came, v.flip(1)) for v in turned]).any(0)
    known = [{tuple(row) for row in v.flatten(1).tolist()} for v in turned]
    first = {tuple(row) for v in turned for row in v[:2].flatten(1).tolist()}
    rows = {tuple(row) for row in came.flatten(1).tolist()}
    if (hit.any(0) | reversed_bands).all():
        hint = "bands_reversed"
    elif rows <= first:
        hint = "integers"
    else:
        hint = "batch_mixed" if rows <= set().union(*known) else "look"
    lost = int((~hit.any(0)).sum())
    what = f"{lost} of {B} images are no mirror image of themselves"
    attempt.fail(
        case, attempt.hint(hint), what, "each image itself or its mirror image"
    )


def _equal(a: Tensor, b: Tensor) -> Tensor:
    return (a == b).flatten(1).all(1)  # (B,)


def _check_luck(attempt: Attempt, case: str, which: Tensor) -> None:
    """Check how often each mirror was used over the batch. Shape: (B,), 0 to 7."""
    upright, sideways = (which & 1).bool(), (which & 2).bool()
    up, side = float(upright.float().mean()), float(sideways.float().mean())
    drawn, what = len(which.unique()) > 1, "the same change for every image"
    attempt.require(drawn, case, "one_draw", what, "a draw for each image")
    hint = "not_half"
    if min(up, side) == 0:
        hint = "never_sideways" if side == 0 else "never_upright"
    half = 0.3 < up < 0.7 and 0.3 < side < 0.7
    what = f"{100 * side:.0f} % mirrored left-right, {100 * up:.0f} % top-bottom"
    attempt.require(half, case, hint, what, "about half of each")
    seen = (which & 3).bincount(minlength=4)
    independent = bool((seen > 0.1 * len(which)).all())
    what = f"{int((seen > 0).sum())} of the four views"
    attempt.require(independent, case, "dependent", what, "four views, equally common")


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
    tallest = max((h.height for h in holes), default=0)
    widest = max((h.width for h in holes), default=0)
    off = max(abs(tallest - wanted), abs(widest - wanted))
    aligned = any(len({hole[axis] for hole in holes}) == 1 for axis in (0, 1))
    findings = {
        "no_hole": (
            lost > _UNCHANGED * len(found),
            f"{lost} of {len(found)} images unchanged",
        ),
        "no_square": (
            not all(h.solid for h in holes),
            "changed pixels that are no such square",
        ),
        _size_hint(tallest, widest, side, size): (
            off > 1,
            f"holes up to {tallest} x {widest} pixels",
        ),
        "one_position": (
            len({(h.top, h.left) for h in holes}) == 1,
            "one position in 40 images",
        ),
        "dependent": (
            aligned or all(h.top == h.left for h in holes),
            "holes along a line only",
        ),
    }
    for hint, (wrong, what) in findings.items():
        expected = f"{wanted} x {wanted} pixels, or less at the border"
        attempt.require(not wrong, case, hint, what, expected)


def _size_hint(tallest: int, widest: int, side: int, size: float) -> str:
    if (widest == side) != (tallest == side):
        return "whole_rows"
    if tallest == widest == 16:
        return "sixteen"
    if abs(tallest - math.sqrt(size) * side) <= 1:
        return "area"
    return "twice" if tallest >= min(side, 2 * size * side - 1) else "look"


def _check_filling(attempt: Attempt, case: str, images: Tensor, came: Tensor) -> None:
    hole = (images != came).any(1, keepdim=True)  # (B, 1, H, W)
    fillings = {
        "": images.mean((2, 3), keepdim=True),
        "batch_mean": images.mean((0, 2, 3), keepdim=True),
        "grey": images.mean((1, 2, 3), keepdim=True),
        "black": torch.zeros(()),
    }
    hint = "filling"
    for name, filling in fillings.items():
        if torch.allclose(torch.where(hole, filling, images), came.float(), atol=1e-4):
            hint = name
            break
    first = int(hole.flatten(1).any(1).int().argmax())
    attempt.require(
        hint == "",
        case,
        hint,
        f"in a hole {describe(came[first][:, hole[first, 0]])}",
        f"the means of its bands, {describe(images[first].mean((1, 2)))}",
    )
