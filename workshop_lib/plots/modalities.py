"""One scene of each class as every sensor and map sees it."""

__all__ = ["modality_samples"]

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import sar_to_display, to_display
from workshop_lib.plots.style import AccessibleFigure, house_style

# Colours that land cover has on maps; the legend names them for those who cannot tell.
COVER_COLOURS = {
    "cropland": "#E8C872",
    "grassland": "#9BD17B",
    "trees": "#1F6B3A",
    "water": "#2F6FC4",
    "sealed": "#8C8C8C",
    "building": "#C0392B",
    "bare": "#B08A5B",
}


@house_style()
def modality_samples(
    scenes: Scenes, cover_names: Sequence[str], *, which: int = 7
) -> AccessibleFigure:
    """Show true colour, false colour, radar, elevation and land cover side by side.

    Args:
        scenes: with bands B04, B03, B02, B08, the modalities s1 and dem, and masks.
        cover_names: names of the numbers in the masks.
        which: the how-manieth image of each class is shown, from 0.

    Raises:
        WorkshopError: a modality or the masks are missing, or a class has too few.
    """
    if scenes.masks is None or not {"s1", "dem"} <= set(scenes.modalities):
        raise WorkshopError(
            f"these scenes hold {', '.join(scenes.modalities) or 'no modalities'}"
            f" {'and masks' if scenes.masks is not None else 'and no masks'}: s1, dem"
            " and masks are needed."
        )
    K = scenes.num_classes
    if int(scenes.labels.bincount(minlength=K).min()) <= which:
        raise WorkshopError(f"which={which}: some class has fewer images than that.")
    chosen = torch.stack([(scenes.labels == k).nonzero()[which, 0] for k in range(K)])
    columns: dict[str, Any] = {
        "true colour": to_display(scenes.images[chosen], scenes.bands),
        "false colour": to_display(scenes.images[chosen], scenes.bands, "false colour"),
        "radar VV, VH": sar_to_display(scenes.modalities["s1"][chosen]),
        "elevation": scenes.modalities["dem"][chosen, 0].numpy(),
        "land cover": scenes.masks[chosen].numpy(),
    }
    colours = [COVER_COLOURS.get(name, "white") for name in cover_names]
    covers: dict[str, Any] = {
        "cmap": ListedColormap(colours),
        "vmin": -0.5,
        "vmax": len(colours) - 0.5,
    }
    figure = AccessibleFigure(figsize=(8.4, 1.55 * K + 1))
    grid = figure.subplots(K, len(columns), squeeze=False)
    for row, name in enumerate(scenes.class_names):
        for axes, (title, pictures) in zip(grid[row], columns.items(), strict=True):
            look = covers if title == "land cover" else {"cmap": "cividis"}
            axes.imshow(pictures[row], interpolation="nearest", **look)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(title, fontsize=12)
        grid[row][0].set_ylabel(name, fontsize=11)
    handles = [Patch(facecolor=c, edgecolor="black") for c in colours]
    figure.legend(
        handles, cover_names, loc="outside lower center", ncols=4, fontsize=11
    )
    figure.alt = (
        "A grid of pictures: a row for each of "
        f"{', '.join(scenes.class_names)}; columns: {', '.join(columns)}."
    )
    return figure
