"""Unit 04: how many pseudo-labels a threshold lets through, and how many are right."""

__all__ = ["threshold_picture", "threshold_slider"]

import math
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.widgets.live import is_live, picture_with
from workshop_lib.evaluation.metrics import check_predictions
from workshop_lib.losses.consistency import confidence_mask
from workshop_lib.plots import AccessibleFigure
from workshop_lib.plots.style import INK, PALETTE, house_style, new_axes

_FEWEST = 20  # images of which a share that is right says something


def threshold_slider(probs: Tensor, labels: Tensor) -> Any:
    """Move the confidence threshold over real predictions.

    Args:
        probs: (N, K) predicted probabilities of unlabeled images.
        labels: (N,) their true classes, which a training would not know.

    Returns:
        A widget; where nobody can move it, the picture at 0.95.

    Raises:
        WorkshopError: shapes do not fit, or a label is out of range.
    """
    if not is_live():
        return threshold_picture(probs, labels, 0.95)
    import ipywidgets

    slider = ipywidgets.FloatSlider(
        value=0.95, min=0.0, max=1.0, step=0.01, continuous_update=False,
        description="confidence threshold", style={"description_width": "initial"},
        layout={"width": "32rem"},
    )  # fmt: skip

    def draw(threshold: float) -> AccessibleFigure:
        return threshold_picture(probs, labels, threshold)

    return picture_with({"threshold": slider}, draw)


@house_style()
def threshold_picture(
    probs: Tensor, labels: Tensor, threshold: float
) -> AccessibleFigure:
    """Draw mask rate and pseudo-label accuracy against the threshold, one marked.

    The accuracy ends where fewer than 20 images are used: it would jump with each.

    Args:
        probs: (N, K) predicted probabilities of unlabeled images.
        labels: (N,) their true classes.
        threshold: the one that is marked, 0 to 1.

    Raises:
        WorkshopError: shapes do not fit, or a label is out of range.
    """
    check_predictions(probs, labels, probs.shape[-1])
    probs, labels = probs.cpu(), labels.cpu()
    right = probs.argmax(dim=1) == labels  # (N,)
    steps = torch.linspace(0, 1, 101).tolist()
    used, correct = zip(*(_shares(probs, right, t) for t in steps), strict=True)
    enough = [rate * len(labels) >= 100 * _FEWEST for rate in used]
    shown = [
        share if ok else math.nan for share, ok in zip(correct, enough, strict=True)
    ]
    figure, axes = new_axes(7.2, 4.5)
    axes.plot(steps, used, color=PALETTE["blue"], label="used (mask rate)")
    axes.plot(
        steps, shown, color=PALETTE["vermilion"], linestyle="--",
        label="right, of those used",
    )  # fmt: skip
    rate, accuracy = _shares(probs, right, threshold)
    words = _in_words(rate, accuracy, len(labels))
    axes.axvline(threshold, color=INK, linewidth=1.5, linestyle=":")
    axes.plot([threshold], [rate], "o", color=PALETTE["blue"], markersize=9)
    if rate * len(labels) >= 100 * _FEWEST:
        vermilion = PALETTE["vermilion"]
        axes.plot([threshold], [accuracy], "s", color=vermilion, markersize=9)
    axes.set_title(f"Threshold {threshold:.2f}: {words}")
    axes.set(xlabel="confidence threshold", ylabel="share (%)", ylim=(0, 104))
    axes.set_xlim(0, 1.01)
    axes.legend(loc="lower left")
    axes.grid(axis="y", color="#e4e7eb", linewidth=1)
    figure.alt = (
        f"Of {len(labels):,} unlabeled images, threshold {threshold:.2f}:"
        f" {words}. At threshold 0 all are used and"
        f" {correct[0]:.0f} % are right."
    )
    return figure


def _shares(probs: Tensor, right: Tensor, threshold: float) -> tuple[float, float]:
    """Return per cent used, and per cent right of these; NaN where none is used."""
    mask = confidence_mask(probs, threshold).bool()
    correct = right[mask].float().mean()  # NaN of nothing
    return 100 * float(mask.float().mean()), 100 * float(correct)


def _in_words(rate: float, accuracy: float, images: int) -> str:
    if rate == 0:
        return "no image used"
    count = round(rate * images / 100)
    if count < _FEWEST:
        return f"{count} of {images:,} used, too few to judge"
    return f"{rate:.0f} % used, {accuracy:.0f} % of these right"
