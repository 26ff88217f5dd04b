"""Units 03, 04 and 08: how far an augmentation goes, and how sure is sure enough."""

__all__ = [
    "pseudo_map_slider",
    "strength_sliders",
    "threshold_picture",
    "threshold_slider",
]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment import geometry, photometric, spectral, to_float
from workshop_lib.augment.occlusion import cutout
from workshop_lib.course.widgets.live import Control, choice, picture_with, slider
from workshop_lib.evaluation.metrics import check_predictions
from workshop_lib.pixels import IGNORE
from workshop_lib.plots import AccessibleFigure, mask_grid, to_display, view_rows
from workshop_lib.plots.display import Cell, picture_table
from workshop_lib.plots.style import INK, PALETTE, house_style, new_axes
from workshop_lib.training.pseudo_labels import PseudoMaps

_MOST = 6  # images side by side
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEWEST = 20  # images, from which on a percentage means something


def _hole(images: Tensor, size: Tensor) -> Tensor:
    return cutout(images, torch.full((len(images), 2), 0.5), size)


# Change of float images (B, C, H, W) by a strength for each (B,), 0 for none; strength
# at slider position 1; its unit
_Range = tuple[Callable[[Tensor, Tensor], Tensor], float, str]
_GEOMETRY: dict[str, _Range] = {
    "rotate": (lambda x, s: geometry.affine(x, degrees=s), 45.0, "degrees"),
    "zoom": (lambda x, s: geometry.affine(x, zoom=s), 0.7, "log of the scale"),
    "cutout": (_hole, 0.75, "of the side"),
}
_RGB: dict[str, _Range] = {
    "brightness": (photometric.brightness, 0.9, "times more"),
    "contrast": (photometric.contrast, 0.9, "times more"),
    "colour": (photometric.color, -1.0, "(-1 is grey)"),
    "hue": (photometric.hue, 0.5, "turns of the colours"),
    "solarize": (photometric.solarize, 1.0, "of the range"),
}
_SPECTRAL: dict[str, _Range] = {
    "gain": (spectral.gain, 0.7, "log of the light"),
    "contrast": (spectral.contrast, 1.0, "log"),
    "tint": (spectral.tint, -2.0, "log (-2 is nearly grey)"),
    "haze": (spectral.haze, 0.8, "of the mean"),
}


def strength_sliders(images: Tensor, bands: Sequence[str]) -> Any:
    """Choose a change and its strength, and show the images after it.

    Args:
        images: (N, C, H, W), as `Dataset.images`: photographs (uint8) or reflectance;
            the first six are shown.
        bands: the names of the C channels.

    Returns:
        A widget, or without a live kernel the first image after each change, one row
        each, at five strengths.
    """
    shown = images[:_MOST].cpu()
    ends = {"min": 0.0, "max": 1.0, "step": 0.05}
    return picture_with(
        lambda operation, strength: _one_change(shown, bands, operation, strength),
        {
            "operation": choice("change", list(_ranges(images))),
            "strength": slider("FloatSlider", "strength, 0 to 1", 0.5, **ends),
        },
        lambda: _all_changes(shown[:1], bands),
    )


def _one_change(
    images: Tensor, bands: Sequence[str], operation: str, strength: float
) -> AccessibleFigure:
    """Show images, and below them the same images after one change."""
    changed, words = _change(images, operation, strength)
    rows = {"as it is": images, operation: changed}
    figure = view_rows(rows, bands, title=f"{operation}: {words}")
    floats = to_float(images)
    share = float((floats - changed).abs().mean() / floats.mean().clamp(min=1e-6))
    figure.alt = (
        f"{len(images)} images, above as they are, below under {operation} of {words}."
        f" On average a value changes by {100 * share:.0f} % of the mean."
    )
    return figure


@house_style()
def _all_changes(image: Tensor, bands: Sequence[str]) -> AccessibleFigure:
    """Show one image, (1, C, H, W), after each change, at five strengths."""
    rows, units = [], []
    for name in _ranges(image):
        cells = []
        for step in _STEPS:
            changed, words = _change(image, name, step)
            (picture,) = to_display(changed, bands)
            cells.append(Cell(picture, words.partition(" ")[0]))
        rows.append((name, cells))
        units.append(f"{name} up to {words}")
    figure = picture_table(rows, "One image, one change per row")
    ends = "; ".join(units)
    figure.alt = f"One image at five strengths of each change, 0 at the left: {ends}."
    return figure


def _ranges(images: Tensor) -> dict[str, _Range]:
    """Return the changes that suit photographs (uint8) or reflectance."""
    return {**_GEOMETRY, **(_RGB if images.dtype == torch.uint8 else _SPECTRAL)}


def _change(images: Tensor, operation: str, strength: float) -> tuple[Tensor, str]:
    """Return the changed images, as float, and the strength in its own unit."""
    change, most, unit = _ranges(images)[operation]
    value = strength * most + 0.0  # not -0 where a change goes downwards
    strengths = torch.full((len(images),), value)
    return change(to_float(images), strengths), f"{value:.2g} {unit}"


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
    axes.grid(axis="y")
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
    """
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
