"""Checks of units 01, 03 and 08: filters and windows that slide, a hole, a weak view.

The weak view draws random numbers, so there is no single right result: its check tests
properties that every right answer has.
"""

__all__ = ["convolve", "cutout", "weak_view", "window_starts"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment.geometry import dihedral
from workshop_lib.course.checks.attempt import (
    Answer,
    Attempt,
    Cases,
    Mistakes,
    comparison,
    exercise,
)
from workshop_lib.course.checks.values import (
    as_tensor,
    describe_value,
    draws,
    generator,
    global_random,
    noise,
)
from workshop_lib.data.tiles import offsets

# Each direction is then mirrored in 30 % to 70 % of the images, but for one draw in a
# million
_BATCH = 200


@comparison("convolve(image, kernel)")
def convolve(cases: Cases, wrong: Mistakes) -> Answer:
    """Check a 3 x 3 filter slid over an image without padding.

    The learner's `convolve(image, kernel)` takes (H, W) and (3, 3), and gives
    (H - 2, W - 2): at each position the sum of the nine products.
    """
    edges = torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1)
    cases["a 3 x 3 image: one position only"] = noise(3, 3), noise(3, 3, seed=1)
    cases["a 5 x 7 image"] = noise(5, 7, seed=2), noise(3, 3, seed=3)
    cases["a filter that finds vertical edges"] = noise(8, 6, seed=4), edges
    wrong["flipped"] = lambda image, kernel: _slide(image, kernel.flip(0, 1))
    wrong["transposed"] = lambda image, kernel: _slide(image, kernel.T)
    return _slide


def _slide(image: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]


@comparison("window_starts(side, window, overlap)")
def window_starts(cases: Cases, wrong: Mistakes) -> Answer:
    """Check where the windows along one side of an image begin.

    The learner's `window_starts(side, window, overlap)` takes three lengths in pixels
    and gives the positions in rising order; the last window ends where the image ends.
    """
    cases["a side of 11, windows of 4, overlap 1"] = 11, 4, 1
    cases["a side of 20, windows of 6, no overlap"] = 20, 6, 0
    cases["a side as long as the window"] = 8, 8, 3
    cases["a side shorter than the window"] = 5, 8, 2
    cases["a side of 256, windows of 64, overlap 24"] = 256, 64, 24
    wrong["no_overlap"] = lambda n, w, o: offsets(n, w, w)
    return lambda side, window, overlap: offsets(side, window, window - overlap)


@exercise("weak_view(images, generator)")
def weak_view(attempt: Attempt) -> None:
    """Check random mirroring: each image left and right, top and bottom, or not.

    The learner's `weak_view(images, generator)` takes (B, C, H, W) and a
    torch.Generator, and mirrors each image left and right with probability 1/2, and
    independently top and bottom. All eight symmetries of the square pass too.
    """
    case = f"{_BATCH} images of 3 bands and 6 x 6 pixels"
    images = torch.rand(_BATCH, 3, 6, 6, generator=generator(1))
    which = _symmetry(attempt, images, _views(attempt, case, images))
    _check_luck(attempt, which)
    small = torch.rand(3, 4, 5, 8, generator=generator(2))  # not square, four bands
    case = "3 images of 4 bands and 5 x 8 pixels"
    _symmetry(attempt, small, _views(attempt, case, small))


def _views(attempt: Attempt, case: str, images: Tensor) -> Tensor:
    """Call the function; check that it keeps the shape and uses its generator."""

    def view(seed: int) -> Tensor:
        given = attempt.run(case, images, generator(seed))
        came = as_tensor(given)
        if came is None or came.shape != images.shape:
            expected = f"shape {tuple(images.shape)}"
            attempt.fail("shape", describe_value(given), expected)
        return came

    before = global_random()
    came = view(0)
    used = global_random() == before and torch.equal(view(0), came)
    what = "different views from equal generators"
    attempt.require(used, "generator_unused", what, "equal views")
    drawn = any(not torch.equal(view(seed), came) for seed in range(1, 9))
    what = "the same view from nine generators"
    # The draws 0 and 1 as an index always reach the first two images, and no other
    changed = (came != images).flatten(1).any(1)  # (B,)
    two = bool(changed[:2].any()) and not changed[2:].any()
    hint = "integers" if two else "nothing_drawn"
    attempt.require(drawn, hint, what, "different views")
    return came


def _symmetry(attempt: Attempt, images: Tensor, came: Tensor) -> Tensor:
    """Find the symmetry of each image, (B,); refuse anything else."""
    B = len(images)
    kinds = range(8 if images.shape[2] == images.shape[3] else 4)
    turned = torch.stack([dihedral(images, torch.full((B,), k)) for k in kinds])
    hit = (turned == came).flatten(2).all(dim=2)  # (8, B)
    lost = int((~hit.any(0)).sum())
    what = f"{lost} of {B} images are no mirror image of themselves"
    bands = bool((turned == came.flip(1)).flatten(2).all(2).any(0)[~hit.any(0)].any())
    hint = "bands" if bands else "look"
    attempt.require(not lost, hint, what, "each image itself or its mirror image")
    return hit.int().argmax(0)


def _check_luck(attempt: Attempt, which: Tensor) -> None:
    """Check how often each mirror was used over the batch. Shape: (B,), 0 to 7."""
    drawn, what = len(which.unique()) > 1, "the same change for every image"
    attempt.require(drawn, "one_draw", what, "a draw for each image")
    up, side = (float((which & bit).bool().float().mean()) for bit in (1, 2))
    half = 0.3 < up < 0.7 and 0.3 < side < 0.7
    what = f"{100 * side:.0f} % mirrored left-right, {100 * up:.0f} % top-bottom"
    hint = "turned" if (which & 4).any() else "not_half" if up and side else "one_way"
    attempt.require(half, hint, what, "about half of each")
    seen = (which & 3).bincount(minlength=4)
    independent = bool((seen > 0.1 * len(which)).all())
    what = f"{int((seen > 0).sum())} of the four views"
    attempt.require(independent, "dependent", what, "four views, equally common")


@comparison("cutout(images, place, size)")
def cutout(cases: Cases, wrong: Mistakes) -> Answer:
    """Check a square hole in each image, around a given place.

    The learner's `cutout(images, place, size)` takes (B, C, H, W), the row and column
    of each centre (B, 2) and the side of the hole, both as fractions of the image's
    side. Each hole is filled with the image's own mean per band, and cut off at the
    border.
    """
    for N, side, size in ((8, 32, 0.5), (8, 64, 0.25), (1, 32, 0.5)):
        images = noise(N, 3, side, side) + noise(N, 3, 1, 1, seed=1)
        # Between two pixels: there is only one way to round
        place = draws(0, side + 1, N, 2, seed=2) / side
        inside = place.clamp(size / 2, 1 - size / 2)
        words = f"{N} of {side} x {side} pixels, size {size}"
        cases[f"{words}, holes inside"] = images, inside, size
        cases[f"{words}, some at the border"] = images, place, size
    wrong["twice"] = lambda x, p, size: _cut(x, p, 2 * size)
    wrong["exchanged"] = lambda x, p, size: _cut(x, p.flip(1), size)
    wrong["one_place"] = lambda x, p, size: _cut(x, p[:1].expand_as(p), size)
    wrong["zero"] = lambda x, p, size: _cut(x, p, size, torch.zeros(1))
    wrong["one_number"] = lambda x, p, size: _cut(
        x, p, size, x.mean((1, 2, 3), keepdim=True)
    )
    return _cut


def _cut(
    images: Tensor, place: Tensor, size: float, value: Tensor | None = None
) -> Tensor:
    """Fill the holes with a value, by default with the means. Square images."""
    side = images.shape[-1]
    distance = (torch.arange(side) + 0.5) / side - place[:, :, None]  # (B, 2, side)
    rows, columns = (distance.abs() < size / 2).unbind(1)  # (B, side) each
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, side, side)
    mean = images.mean((2, 3), keepdim=True)
    return torch.where(hole, mean if value is None else value, images)
