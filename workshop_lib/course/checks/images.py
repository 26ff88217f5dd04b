"""Checks of units 01, 03 and 08: filters and windows slid by hand, and two views.

A view draws random numbers, so there is no single right result: its checks test
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
    generator,
    global_random,
    noise,
)
from workshop_lib.data.tiles import offsets

# Each direction is then mirrored in 30 % to 70 % of the images, but for one draw in a
# million
_BATCH = 200
_UNCHANGED = 0.1  # at most so many images may have their hole beyond the border


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
    wrong["padded"] = lambda image, kernel: _slide(image, kernel, padding=1)
    wrong["transposed"] = lambda image, kernel: _slide(image, kernel.T)
    wrong["last_missing"] = lambda image, kernel: _slide(image, kernel)[:-1, :-1]
    return _slide


def _slide(image: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None], padding=padding)[0, 0]


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
    wrong["border_missing"] = lambda n, w, o: [*range(0, max(n - w, 0) + 1, w - o)]
    wrong["beyond"] = lambda n, w, o: [*range(0, n, w - o)]
    wrong["no_overlap"] = lambda n, w, o: offsets(n, w, w)
    wrong["below_zero"] = lambda n, w, o: [*range(0, n - w, w - o), n - w]
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


def _views(attempt: Attempt, case: str, images: Tensor, *settings: float) -> Tensor:
    """Call the function; check that it keeps the shape and uses its generator."""

    def view(seed: int) -> Tensor:
        given = attempt.run(case, images, *settings, generator(seed))
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
    attempt.require(not lost, "look", what, "each image itself or its mirror image")
    return hit.int().argmax(0)


def _check_luck(attempt: Attempt, which: Tensor) -> None:
    """Check how often each mirror was used over the batch. Shape: (B,), 0 to 7."""
    drawn, what = len(which.unique()) > 1, "the same change for every image"
    attempt.require(drawn, "one_draw", what, "a draw for each image")
    up, side = (float((which & bit).bool().float().mean()) for bit in (1, 2))
    half = 0.3 < up < 0.7 and 0.3 < side < 0.7
    what = f"{100 * side:.0f} % mirrored left-right, {100 * up:.0f} % top-bottom"
    attempt.require(half, "not_half", what, "about half of each")
    seen = (which & 3).bincount(minlength=4)
    independent = bool((seen > 0.1 * len(which)).all())
    what = f"{int((seen > 0).sum())} of the four views"
    attempt.require(independent, "dependent", what, "four views, equally common")


@exercise("cutout(images, size, generator)")
def cutout(attempt: Attempt) -> None:
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
        _check_holes(attempt, images != came, round(size * side))
        _check_filling(attempt, images, came)


def _check_holes(attempt: Attempt, changed: Tensor, wanted: int) -> None:
    """Check the holes of a batch. Shape: (B, C, H, W), True where a value changed."""
    expected = f"{wanted} x {wanted} pixels, or less at the border"
    lost = int((~changed.flatten(1).any(1)).sum())
    few, what = lost <= _UNCHANGED * len(changed), f"{lost} images without a hole"
    attempt.require(few, "no_hole", what, expected)
    changed = changed[changed.flatten(1).any(1)]
    rows, columns = changed.any(1).any(2), changed.any(1).any(1)  # (B, side) each
    top, height = _span(rows)
    left, width = _span(columns)
    square = rows[:, None, :, None] & columns[:, None, None, :]
    solid = bool((changed == square).all() and (rows.sum(1) == height).all())
    solid = solid and bool((columns.sum(1) == width).all())
    what = "changed pixels that are no such square"
    attempt.require(solid, "no_square", what, expected)
    tall, wide = int(height.max()), int(width.max())
    fits = max(abs(tall - wanted), abs(wide - wanted)) <= 1
    attempt.require(fits, "look", f"holes up to {tall} x {wide} pixels", expected)
    apart = len(top.unique()) > 1 and len(left.unique()) > 1
    apart = apart and not torch.equal(top, left)
    what = "holes at one position, or along a line"
    attempt.require(apart, "one_position", what, "holes all over the images")


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first True of each row of (B, n), and the length up to the last."""
    first = line.int().argmax(1)
    return first, line.shape[1] - line.flip(1).int().argmax(1) - first


def _check_filling(attempt: Attempt, images: Tensor, came: Tensor) -> None:
    hole = (images != came).any(1, keepdim=True)  # (B, 1, H, W)
    filled = torch.where(hole, images.mean((2, 3), keepdim=True), images)
    first = int(hole.flatten(1).any(1).int().argmax())
    inside, means = came[first][:, hole[first, 0]], images[first].mean((1, 2))
    right = torch.allclose(filled, came.float(), atol=1e-4)
    what = f"in a hole {describe_value(inside)}"
    expected = f"the means of its bands, {describe_value(means)}"
    attempt.require(right, "filling", what, expected)
