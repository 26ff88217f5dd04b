"""Confidence threshold: pseudo-labels used and right, of scenes and of pixels."""

__all__ = ["pseudo_map_slider", "threshold_picture", "threshold_slider"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.widgets.live import Control, picture_with, slider
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import check_predictions
from workshop_lib.pixels import IGNORE
from workshop_lib.plots import AccessibleFigure, mask_grid
from workshop_lib.plots.style import INK, PALETTE, house_style, light_grid, new_axes
from workshop_lib.training.pseudo_labels import PseudoMaps

_FEWEST = 20  # images, from which on a percentage means something


def threshold_slider(probs: Tensor, labels: Tensor) -> Any:
    """Move the confidence threshold over real predictions.

    Args:
        probs: (N, K) predicted probabilities of unlabelled images.
        labels: (N,) their true classes, which training never sees.

    Returns:
        A widget, or without a live kernel the picture at 0.95.

    Raises:
        WorkshopError: shapes do not fit, or a label is out of range.
    """
    return picture_with(
        lambda threshold: threshold_picture(probs, labels, threshold),
        {"threshold": _control(0.95)},
    )


@house_style()
def threshold_picture(
    probs: Tensor, labels: Tensor, threshold: float
) -> AccessibleFigure:
    """Draw mask rate and pseudo-label accuracy against the threshold, one marked.

    The accuracy curve ends where fewer than 20 images are used, as each would make it
    jump.

    Args:
        probs: (N, K) predicted probabilities of unlabelled images.
        labels: (N,) their true classes.
        threshold: the one that is marked, 0 to 1.

    Raises:
        WorkshopError: shapes do not fit, or a label is out of range.
    """
    check_predictions(probs, labels, probs.shape[-1])
    steps = torch.cat([torch.linspace(0, 1, 101), torch.tensor([threshold])])
    used, right = _counts(probs.cpu(), labels.cpu(), steps)
    rates = 100 * used / len(labels)
    enough = right.masked_fill(used < _FEWEST, torch.nan)
    words = "no image used"
    if used[-1] >= _FEWEST:
        words = f"{rates[-1]:.0f} % used, {right[-1]:.0f} % of these right"
    elif used[-1] > 0:
        words = f"{used[-1]:.0f} of {len(labels):,} used, too few to judge"
    figure, axes = new_axes(7.2, 4.5)
    for values, colour, marker, dash, label in (
        (rates, "blue", "o", "-", "used (mask rate)"),
        (enough, "vermilion", "s", "--", "right, of those used"),
    ):
        style: dict[str, Any] = {"color": PALETTE[colour], "linestyle": dash}
        axes.plot(steps[:-1], values[:-1], label=label, **style)
        axes.plot([threshold], [values[-1]], marker, markersize=9, **style)
    axes.axvline(threshold, color=INK, linewidth=1.5, linestyle=":")
    axes.set_title(f"Threshold {threshold:.2f}: {words}")
    axes.set(xlabel="confidence threshold", ylabel="share (%)")
    axes.set(xlim=(0, 1.01), ylim=(0, 104))
    axes.legend(loc="lower left")
    light_grid(axes)
    figure.alt = (
        f"Of {len(labels):,} unlabelled images, threshold {threshold:.2f}: {words}."
        f" At threshold 0 all are used and {right[0]:.0f} % are right."
    )
    return figure


def _counts(probs: Tensor, labels: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images used at each threshold, and the per cent right; (T,) each.

    The per cent is NaN where none is used.
    """
    confidence, guess = probs.max(dim=1)  # (N,) each
    mask = confidence >= steps[:, None]  # (T, N)
    used = mask.sum(dim=1).float()
    return used, 100 * (mask & (guess == labels)).sum(dim=1) / used


def _control(value: float) -> Control:
    ends = {"min": 0.0, "max": 1.0, "step": 0.01}
    return slider("FloatSlider", "confidence threshold", value, **ends)


def pseudo_map_slider(
    maps: PseudoMaps, masks: Tensor, class_names: Sequence[str], threshold: float = 0.6
) -> Any:
    """Move the confidence threshold over the maps of a few unlabelled tiles.

    The picture has the truth of the tiles, and below it the confident pseudo-labels.

    Args:
        maps: `Run.pseudo_maps()`; the last step is shown.
        masks: (N, H, W) true maps of all scenes, which training never sees.
        class_names: K names.
        threshold: of the slider at first, 0 to 1: least confidence of a pixel that is
            used.

    Returns:
        A widget, or without a live kernel the picture at that threshold.

    Raises:
        WorkshopError: there are no maps, or masks of other scenes.
    """
    if not maps.steps or len(masks) <= int(maps.index.max()):
        raise WorkshopError(
            f"{len(maps.steps)} maps over time, {len(masks)} masks: give the maps of a"
            " finished run, and the masks of the scenes that it was trained on."
        )
    truth = masks[maps.index].cpu()  # (n, H, W)

    def draw(threshold: float) -> AccessibleFigure:
        confident = maps.sure[-1].float() >= 100 * threshold
        shown = maps.maps[-1].masked_fill(~confident, IGNORE)  # (n, H, W)
        words = _pixels_in_words(truth, maps.maps[-1], confident)
        pairs = enumerate(zip(truth, shown, strict=True), 1)
        figure = mask_grid(
            {f"tile {k}": torch.stack(pair) for k, pair in pairs},
            class_names,
            row_names=("truth", "pseudo-labels"),
            nothing="not sure",
            title=f"Threshold {threshold:.2f}: {words}",
        )
        figure.alt = (
            f"Threshold {threshold:.2f}: {words}. Above: the true maps of {len(truth)}"
            " unlabelled tiles. Below: their pseudo-labels after step"
            f" {maps.steps[-1]}, white where the network is not confident."
        )
        return figure

    return picture_with(draw, {"threshold": _control(threshold)})


def _pixels_in_words(truth: Tensor, found: Tensor, confident: Tensor) -> str:
    """Report how many known pixels are used, and how many of these are right."""
    known = truth != IGNORE
    used = confident & known
    if not used.any():
        return "no pixel used"
    share = 100 * float(used.sum() / known.sum())
    right = 100 * float((found == truth)[used].float().mean())
    return f"{share:.0f} % of the pixels used, {right:.0f} % of these right"
