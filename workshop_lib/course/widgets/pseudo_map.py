"""Unit 08: which pixels of a few tiles a threshold lets become pseudo-labels."""

__all__ = ["pseudo_map_picture", "pseudo_map_slider"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.widgets.live import is_live, picture_with
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.plots import AccessibleFigure, mask_grid
from workshop_lib.training.pseudo_maps import PseudoMaps


def pseudo_map_slider(
    maps: PseudoMaps, masks: Tensor, class_names: Sequence[str], threshold: float = 0.6
) -> Any:
    """Move the confidence threshold over the maps of a few unlabeled tiles.

    Args:
        maps: `Run.pseudo_maps()`; the last step is looked at.
        masks: (N, H, W) true maps of all scenes, which a training would not know.
        class_names: K names.
        threshold: where the slider stands at first, 0 to 0.99.

    Returns:
        A widget; where nobody can move it, the picture at that threshold.

    Raises:
        WorkshopError: there are no maps, or masks of other scenes.
    """
    if not is_live():
        return pseudo_map_picture(maps, masks, class_names, threshold)
    import ipywidgets

    slider = ipywidgets.FloatSlider(
        value=threshold, min=0.0, max=0.99, step=0.01, continuous_update=False,
        description="confidence threshold", style={"description_width": "initial"},
        layout={"width": "32rem"},
    )  # fmt: skip

    def draw(threshold: float) -> AccessibleFigure:
        return pseudo_map_picture(maps, masks, class_names, threshold)

    return picture_with({"threshold": slider}, draw)


def pseudo_map_picture(
    maps: PseudoMaps, masks: Tensor, class_names: Sequence[str], threshold: float
) -> AccessibleFigure:
    """Draw the truth of the tiles, and below it what is sure enough; white is not.

    Args:
        maps: `Run.pseudo_maps()`; the last step is looked at.
        masks: (N, H, W) true maps of all scenes.
        class_names: K names.
        threshold: least confidence of a pixel that is used, 0 to 1.

    Raises:
        WorkshopError: there are no maps, or masks of other scenes.
    """
    if not maps.steps or len(masks) <= int(maps.index.max()):
        raise WorkshopError(
            f"{len(maps.steps)} maps over time, {len(masks)} masks: give the maps of a"
            " finished run, and the masks of the scenes that it was trained on."
        )
    truth = masks[maps.index].cpu()  # (n, H, W)
    sure = maps.sure[-1].float() >= 100 * threshold
    shown = maps.maps[-1].masked_fill(~sure, IGNORE)  # (n, H, W)
    words = _in_words(truth, maps.maps[-1], sure)
    figure = mask_grid(
        {
            f"tile {k}": torch.stack(pair)
            for k, pair in enumerate(zip(truth, shown, strict=True), 1)
        },
        class_names,
        row_names=("truth", "pseudo-labels"),
        nothing="not sure",
        title=f"Threshold {threshold:.2f}: {words}",
    )
    figure.alt = (
        f"Threshold {threshold:.2f}: {words}. Above the true maps of {len(truth)}"
        f" unlabeled tiles, below them their pseudo-labels after step {maps.steps[-1]},"
        " white where the network is not sure."
    )
    return figure


def _in_words(truth: Tensor, found: Tensor, sure: Tensor) -> str:
    """Tell how many known pixels are used, and how many of these are right."""
    known = truth != IGNORE
    used = sure & known
    if not used.any():
        return "no pixel used"
    share = 100 * float(used.sum() / known.sum())
    right = 100 * float((found == truth)[used].float().mean())
    return f"{share:.0f} % of the pixels used, {right:.0f} % of these right"
