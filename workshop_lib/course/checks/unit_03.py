"""Checks of unit 03: the weak view, and a hole in the image.

Both exercises draw random numbers, so there is no one right result: properties are
checked that every right answer has.
"""

__all__ = ["cutout", "weak_view"]

import math

import torch
from torch import Tensor

from workshop_lib.augment.geometry import symmetry
from workshop_lib.course.checks.copies import RandomState
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.holes import Hole, find_hole
from workshop_lib.course.checks.inputs import generator
from workshop_lib.course.checks.trial import Trial, exercise

_BATCH = 200  # a share of 1/2 is then between 0.3 and 0.7, but for one in a million


@exercise("weak_view(images, generator)")
def weak_view(trial: Trial) -> str:
    """Check random mirroring: each image left and right, top and bottom, or not.

    The learner's `weak_view(images, generator)` takes (B, C, H, W) and a
    torch.Generator, and mirrors each image left and right with probability 1/2, and by
    a draw of its own top and bottom. All eight symmetries of the square pass too.
    """
    case = f"{_BATCH} images of 3 bands and 6 x 6 pixels"
    images = torch.rand(_BATCH, 3, 6, 6, generator=generator(1))
    came = _views(trial, case, images)
    which = _which(trial, case, images, came)  # (B,) 0 to 7
    _check_luck(trial, case, which)
    small = torch.rand(3, 4, 5, 8, generator=generator(2))  # not square, four bands
    case = "3 images of 4 bands and 5 x 8 pixels"
    _which(trial, case, small, _views(trial, case, small))
    return "each image is mirrored by draws of its own, and no value is changed"


def _views(trial: Trial, case: str, images: Tensor, *settings: float) -> Tensor:
    """Call the function; see that it keeps the shape and draws from its generator."""
    state = RandomState()
    came = as_tensor(trial.run(case, images, *settings, generator(0)))
    moved = state.moved()
    if came is None or came.shape != images.shape:
        likely = "a view has the shape of the batch: (B, C, H, W) in, (B, C, H, W) out."
        trial.fail(case, likely, describe(came), f"shape {tuple(images.shape)}")
    again = as_tensor(trial.run(case, images, *settings, generator(0)))
    if moved or again is None or not torch.equal(again, came):
        trial.fail(
            case,
            "the generator is not used: hand it on, as in torch.rand(B,"
            " generator=generator), so that a training can be repeated.",
            "random numbers from elsewhere",
            "equal generators give equal views",
        )
    others = [
        as_tensor(trial.run(case, images, *settings, generator(seed)))
        for seed in range(1, 9)
    ]
    if all(other is not None and torch.equal(other, came) for other in others):
        if torch.equal(came, images):
            likely = "nothing is changed at all: does the result of flip get lost?"
        else:
            likely = (
                "every generator gives the same view: either nothing is drawn, so that"
                " every image is changed in the same way each time, or the function"
                " seeds its generator itself."
            )
        trial.fail(case, likely, "the same view from nine generators", "other views")
    return came


def _which(trial: Trial, case: str, images: Tensor, came: Tensor) -> Tensor:
    """Find the symmetry of each image, (B,); refuse what is none."""
    B = len(images)
    kinds = range(8 if images.shape[2] == images.shape[3] else 4)
    turned = [symmetry(images, torch.full((B,), k)) for k in kinds]
    hit = torch.stack([_equal(came, view.to(came.dtype)) for view in turned])  # (8, B)
    if hit.any(0).all():
        return hit.int().argmax(0)
    lost = f"{int((~hit.any(0)).sum())} of {B} images are no mirror image of themselves"
    expected = "each image itself or its mirror image"
    reversed_bands = torch.stack([_equal(came, v.flip(1)) for v in turned]).any(0)
    if (hit.any(0) | reversed_bands).all():
        likely = (
            "the order of the bands is reversed: dim 1 are the bands. Mirror along"
            " dim 3 (left and right) and dim 2 (top and bottom)."
        )
    elif _from_others(came, turned):
        likely = (
            "images have changed places in the batch, and no longer fit their labels:"
            " dim 0 counts the images. Mirror along dims 2 and 3."
        )
    elif _bands_apart(came, turned):
        likely = (
            "the bands of one image are mirrored differently: draw one number per"
            " image, (B,), not per band."
        )
    elif not torch.equal(_values(came), _values(images)):
        likely = "values are changed: a mirror only moves pixels."
    else:
        likely = "pixels are moved in another way than by a mirror: use flip."
    trial.fail(case, likely, lost, expected)


def _equal(a: Tensor, b: Tensor) -> Tensor:
    return (a == b).flatten(1).all(1)  # (B,)


def _values(images: Tensor) -> Tensor:
    return images.flatten(1).double().sort(1).values


def _from_others(came: Tensor, turned: list[Tensor]) -> bool:
    """Tell whether every image is the view of some image of the batch."""
    known = {tuple(row) for view in turned for row in view.flatten(1).tolist()}
    return all(tuple(row) in known for row in came.flatten(1).tolist())


def _bands_apart(came: Tensor, turned: list[Tensor]) -> bool:
    hit = torch.stack([(came == v).flatten(2).all(2) for v in turned])  # (8, B, C)
    return bool(hit.any(0).all())


def _check_luck(trial: Trial, case: str, which: Tensor) -> None:
    """Look at how often each mirror was used over the batch."""
    counts = which.bincount(minlength=8).tolist()
    upright, sideways = (which & 1).bool(), (which & 2).bool()
    up, side = float(upright.float().mean()), float(sideways.float().mean())
    came = f"{100 * side:.0f} % mirrored left-right, {100 * up:.0f} % top-bottom"
    if max(counts) == len(which):
        trial.fail(
            case,
            "one draw decides for the whole batch: all images are mirrored, or none."
            " Draw (B,) numbers and choose image by image, as torch.where does.",
            "the same change for every image of a batch",
            "a draw for each image",
        )
    names = {"left and right": (side, 3), "top and bottom": (up, 2)}
    for words, (share, dim) in names.items():
        if share == 0:
            likely = f"nothing is ever mirrored {words}: that is dim {dim}."
            trial.fail(case, likely, came, "about half of each")
        if share == 1:
            likely = f"every image is mirrored {words}: only half of them should be."
            trial.fail(case, likely, came, "about half of each")
    if torch.equal(upright, sideways):
        trial.fail(
            case,
            "one draw decides for both directions: mirror left and right by one, top"
            " and bottom by another, so that all four views occur.",
            "mirrored in both directions or in none",
            "four views",
        )
    if not (0.3 < up < 0.7 and 0.3 < side < 0.7):
        likely = "compare the draws with 0.5: each direction with probability 1/2."
        trial.fail(case, likely, came, "about half of each")


@exercise("cutout(images, size, generator)")
def cutout(trial: Trial) -> str:
    """Check a square hole at a random place of each image.

    The learner's `cutout(images, size, generator)` takes (B, C, H, W), the side of the
    hole as a fraction of the image's side, and a torch.Generator. Each hole is filled
    with the image's own mean per band. It may reach over the border or stay inside.
    """
    for side, size in ((32, 0.5), (64, 0.5), (32, 0.25)):
        case = f"40 images of {side} x {side} pixels, size {size}"
        images = torch.rand(40, 3, side, side, generator=generator(side))
        # Means that differ from image to image and from band to band
        images = images * torch.linspace(0.3, 1, 120).view(40, 3, 1, 1)
        came = _views(trial, case, images, size)
        holes = [find_hole(a, b) for a, b in zip(images, came, strict=True)]
        _check_holes(trial, case, holes, round(size * side), side, size)
        _check_filling(trial, case, images, came)
    return "32 and 64 pixels, two sizes: a hole per image, filled with its own mean"


def _check_holes(
    trial: Trial, case: str, holes: list[Hole], wanted: int, side: int, size: float
) -> None:
    tallest, widest = max(h.height for h in holes), max(h.width for h in holes)
    came = f"holes up to {tallest} x {widest} pixels"
    expected = f"{wanted} x {wanted} pixels, or less at the border"
    if any(h.bands == "some" for h in holes):
        likely = "the hole is in one band only: it goes through all of them, dim 1."
        trial.fail(case, likely, "other bands were left as they are", "all bands")
    if not all(h.solid for h in holes):
        likely = "a single square is wanted: rows and columns between two limits."
        trial.fail(case, likely, "changed pixels that are no rectangle", expected)
    if wanted < side and (widest == side) != (tallest == side):
        likely = (
            "whole rows or columns are gone: the hole ends on all four sides, so limit"
            " rows and columns (images[:, :, top:bottom, left:right])."
        )
        trial.fail(case, likely, came, expected)
    if abs(tallest - wanted) > 1 or abs(widest - wanted) > 1:
        trial.fail(case, _size_hint(tallest, widest, side, size), came, expected)
    places = {(h.top, h.left) for h in holes}
    if len(places) == 1:
        trial.fail(
            case,
            "all holes of the batch are at one place: draw a row and a column for each"
            " image, (B,) of both.",
            "one place for 40 images",
            "a place for each",
        )
    if all(h.top == h.left for h in holes):
        likely = "row and column are always equal: draw each by itself."
        trial.fail(case, likely, "holes on the diagonal only", "anywhere")


def _size_hint(tallest: int, widest: int, side: int, size: float) -> str:
    if abs(tallest - widest) > 1:
        return "the hole is not as wide as it is high: the same side for both."
    if tallest == 16:
        return (
            "the hole is 16 pixels wide, whatever the image: at 224 pixels that hides"
            " half a per cent instead of a quarter. Multiply the fraction with H and W."
        )
    if abs(tallest - math.sqrt(size) * side) <= 1:
        return "`size` was taken as share of the area: it is a fraction of the side."
    if abs(tallest - 2 * size * side) <= 1 or tallest == side:
        return (
            "the hole is twice as wide: half of it lies on either side of its centre."
        )
    if abs(tallest - size * side / 2) <= 1:
        return "the hole is half as wide: `size` is the whole side, not half of it."
    return "the side in pixels is the fraction times the side of the image, rounded."


def _check_filling(trial: Trial, case: str, images: Tensor, came: Tensor) -> None:
    hole = (images != came).any(1, keepdim=True)  # (B, 1, H, W)
    fillings = {
        "": images.mean((2, 3), keepdim=True),
        "the mean of the batch fills every hole: one image leaks into the others. Take"
        " each image's own, mean((2, 3), keepdim=True).": images.mean(
            (0, 2, 3), keepdim=True
        ),
        "the hole is grey: one number for all bands. Take a mean per band,"
        " mean((2, 3), keepdim=True).": images.mean((1, 2, 3), keepdim=True),
        "the mean of the batch over all bands fills every hole: take each image's own,"
        " and each band's, mean((2, 3), keepdim=True).": images.mean(),
        "the hole is black: 0 is a strong signal where no pixel is. Fill it with the"
        " image's own mean per band.": torch.zeros(()),
        "the hole is white: 1 is a strong signal where no pixel is. Fill it with the"
        " image's own mean per band.": torch.ones(()),
    }
    for likely, filling in fillings.items():
        if torch.allclose(torch.where(hole, filling, images), came.float(), atol=1e-4):
            if not likely:
                return
            trial.fail(case, likely, "another value in the holes", "the image's mean")
    trial.fail(
        case,
        "fill each hole with the mean of its image, band by band:"
        " images.mean((2, 3), keepdim=True) has the shape (B, C, 1, 1).",
        f"in the first hole {describe(came[0][:, hole[0, 0]])}",
        f"the means of its bands, {describe(images[0].mean((1, 2)))}",
    )
