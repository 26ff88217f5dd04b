"""Checks of unit 08: windows, and a network that scores every pixel."""

__all__ = [
    "head_parameters",
    "sum_scores",
    "times_seen",
    "window_starts",
]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.data.tiles.windows import starts


@exercise("times_seen(window, stride)")
def times_seen(trial: Trial) -> str:
    """Check how often a pixel is looked at while a window is slid over an image.

    The learner's `times_seen(window, stride)` takes two lengths in pixels and gives the
    number of windows that hold a pixel far from the border.
    """
    cases = {
        "a window of 32 every 8": (32, 8),
        "a window of 32 every 16": (32, 16),
        "a window of 64 every pixel": (64, 1),
        "windows side by side, 32 every 32": (32, 32),
    }
    trial.compare(cases, lambda w, s: (w / s) ** 2, _SEEN, look=_SEEN_LOOK)
    return "a window of 32 every 8 looks at each pixel 16 times"


_SEEN_LOOK = (
    "draw one row of pixels: how many windows hold a pixel? Then the same downwards."
)
_SEEN = (
    Mistake(
        "this is along one side. Windows are slid to the right and downwards: each of"
        " the rows of windows holds the pixel as often again.",
        lambda w, s: w / s,
    ),
    Mistake(
        "twice the number along one side: right and down multiply, they do not add.",
        lambda w, s: 2 * w / s,
    ),
    Mistake(
        "these are the pixels of a window: they cost the same for each window; how many"
        " windows hold one pixel?",
        lambda w, s: w**2,
    ),
    Mistake(
        "the fraction is upside down: the smaller the stride, the more windows.",
        lambda w, s: (s / w) ** 2,
    ),
    Mistake(
        "the overlap of two neighbours came, in pixels: count the windows.",
        lambda w, s: w - s,
    ),
)


@exercise("head_parameters(channels, num_classes)")
def head_parameters(trial: Trial) -> str:
    """Check the number of weights and biases of an FCN's heads.

    The learner's `head_parameters(channels, num_classes)` takes the channels of the
    maps that are scored, one number per head, and K.
    """
    cases = {
        "a ResNet-50, six classes": ((512, 1024, 2048), 6),
        "a ResNet-18, seven classes": ((128, 256, 512), 7),
        "one head alone, two classes": ((512,), 2),
    }
    trial.compare(cases, _parameters, _HEADS, look=_HEADS_LOOK)
    return "a ResNet-50 with six classes has 21,522 of them"


def _parameters(channels: Sequence[int], K: int) -> int:
    return sum((c + 1) * K for c in channels)


_HEADS_LOOK = (
    "a convolution of 1 x 1 pixel: one weight from each channel to each class, and one"
    " bias per class; add up the heads."
)
_HEADS = (
    Mistake(
        "the biases are missing: each head has one per class.",
        lambda c, K: sum(c) * K,
    ),
    Mistake(
        "the biases were counted once: each head has its own, one per class.",
        lambda c, K: (sum(c) + 1) * K,
    ),
    Mistake(
        "one bias per head was counted: there is one per class.",
        lambda c, K: sum(n * K + 1 for n in c),
    ),
    Mistake(
        "filters of 3 x 3 pixels were counted: the heads look at 1 x 1.",
        lambda c, K: sum((9 * n + 1) * K for n in c),
    ),
    Mistake(
        "only the last head was counted: there is one for each entry of channels.",
        lambda c, K: (c[-1] + 1) * K,
    ),
    Mistake(
        "biases of the channels were counted: a bias belongs to what comes out, the"
        " classes.",
        lambda c, K: sum(n * K + n for n in c),
    ),
)


@exercise("sum_scores(scores, size)")
def sum_scores(trial: Trial) -> str:
    """Check the sum of scores that were made at several strides.

    The learner's `sum_scores(scores, size)` takes maps (B, K, h, w) of unequal size and
    the image's (H, W); it gives (B, K, H, W), enlarged bilinearly.
    """
    cases = {
        "three maps, an image of 32 x 32": (_scores((4, 2, 1)), (32, 32)),
        "an image of 33 x 41": (_scores((5, 3, 2), (6, 3, 2)), (33, 41)),
        "two maps alone": (_scores((4, 2), seed=5), (16, 16)),
    }
    trial.compare(cases, _summed, _SUMS, look=_SUMS_LOOK)
    return f"{len(cases)} images, also of odd size"


def _scores(
    heights: Sequence[int], widths: Sequence[int] = (), seed: int = 0
) -> list[Tensor]:
    pairs = zip(heights, widths or heights, strict=True)
    return [noise(2, 3, h, w, seed=seed + k) for k, (h, w) in enumerate(pairs)]


def _enlarged(
    scores: Sequence[Tensor], size: tuple[int, int], **how: object
) -> list[Tensor]:
    """Resize each map: (B, K, h, w) -> (B, K, H, W); bilinearly unless told."""
    chosen = {"mode": "bilinear", "align_corners": False} | how
    return [F.interpolate(s, size=size, **chosen) for s in scores]  # type: ignore[arg-type]


def _summed(scores: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    return torch.stack(_enlarged(scores, size)).sum(dim=0)


_SUMS_LOOK = (
    "three steps for each map: enlarge it to the size of the image, bilinearly, and add"
    " it to the sum. Softmax comes later, and once."
)
_SUMS = (
    Mistake(
        "the maps were enlarged by repeating pixels (mode='nearest', which is the"
        " default): bilinear ones rise and fall smoothly.",
        lambda s, size: torch.stack(
            _enlarged(s, size, mode="nearest", align_corners=None)
        ).sum(0),
    ),
    Mistake(
        "align_corners=True moves the maps against each other: leave it at False, where"
        " a pixel is an area and not a point.",
        lambda s, size: torch.stack(_enlarged(s, size, align_corners=True)).sum(0),
    ),
    Mistake(
        "the mean of the maps came: an FCN adds them, and each can outvote the rest.",
        lambda s, size: torch.stack(_enlarged(s, size)).mean(0),
    ),
    Mistake(
        "only the first map came: add all of them.",
        lambda s, size: _enlarged(s, size)[0],
    ),
    Mistake(
        "only the last map came: add all of them.",
        lambda s, size: _enlarged(s, size)[-1],
    ),
    Mistake(
        "probabilities were added: add the scores; softmax comes once, after the sum.",
        lambda s, size: torch.stack(_enlarged(s, size)).softmax(dim=2).sum(0),
    ),
    Mistake(
        "softmax was taken of the sum: scores are wanted, as cross_entropy takes them.",
        lambda s, size: _summed(s, size).softmax(dim=1),
    ),
    Mistake(
        "the maps were put one behind the other (cat): there are K scores per pixel,"
        " their sum.",
        lambda s, size: torch.cat(_enlarged(s, size), dim=1),
    ),
    Mistake(
        "a list of maps came: add them up.",
        lambda s, size: _enlarged(s, size),
    ),
)


@exercise("window_starts(side, window, overlap)")
def window_starts(trial: Trial) -> str:
    """Check where the windows along one side of an image begin.

    The learner's `window_starts(side, window, overlap)` takes three lengths in pixels
    and gives the positions in rising order; the last window ends where the image ends.
    """
    cases = {
        "a side of 10, windows of 4, overlap 1": (10, 4, 1),
        "a side of 11, windows of 4, overlap 1": (11, 4, 1),
        "a side of 20, windows of 6, no overlap": (20, 6, 0),
        "a side as long as the window": (8, 8, 3),
        "a side shorter than the window": (5, 8, 2),
        "a side of 256, windows of 64, overlap 24": (256, 64, 24),
    }
    trial.compare(cases, _starts, _STARTS, look=_STARTS_LOOK)
    return f"{len(cases)} sides are covered to their last pixel, and none beyond it"


def _starts(side: int, window: int, overlap: int) -> list[int]:
    return starts(side, window, window - overlap)


_STARTS_LOOK = (
    "from one window to the next it is window - overlap pixels; the last begins at"
    " side - window, and nowhere later."
)
_STARTS = (
    Mistake(
        "the border is left out where the steps do not come out even: put one more"
        " window at side - window.",
        lambda side, w, o: list(range(0, max(side - w, 0) + 1, w - o)),
    ),
    Mistake(
        "the last window sticks out of the image: pull it back to side - window.",
        lambda side, w, o: list(range(0, max(side - o, 1), w - o)),
    ),
    Mistake(
        "windows begin up to the last pixel, and some stick out of the image: none may"
        " begin later than side - window.",
        lambda side, w, o: list(range(0, side, w - o)),
    ),
    Mistake(
        "the last window is there twice where the steps come out even: let the range"
        " stop before side - window.",
        lambda side, w, o: [*range(0, max(side - w, 0) + 1, w - o), max(side - w, 0)],
    ),
    Mistake(
        "windows are stepped by the overlap: the step is what they do not share,"
        " window - overlap.",
        lambda side, w, o: starts(side, w, max(o, 1)),
    ),
    Mistake(
        "windows are stepped by their own side: with an overlap the step is shorter,"
        " window - overlap.",
        lambda side, w, o: starts(side, w, w),
    ),
    Mistake(
        "a side shorter than the window gives a start below 0: then one window, at 0.",
        lambda side, w, o: [*range(0, side - w, w - o), side - w],
    ),
)
