"""The same class through the year."""

__all__ = ["seasons"]

from collections.abc import Sequence

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import to_display
from workshop_lib.plots.pictures import frame, picture_grid
from workshop_lib.plots.style import INK, AccessibleFigure, house_style

_YEAR = 365


@house_style()
def seasons(
    scenes: Scenes,
    classes: Sequence[str],
    *,
    columns: int = 6,
    title: str = "The same classes through the year",
) -> AccessibleFigure:
    """Show images of a few classes in the order of their dates, one class per row.

    The year is cut into as many equal pieces as there are columns; of each piece the
    image nearest to its middle is shown, with the day on which it was taken.

    Args:
        scenes: with the metadata "day_of_year" (1 to 365), one label per image.
        classes: names of the classes to show.
        columns: pieces of the year.
        title: heading of the figure.

    Raises:
        WorkshopError: no dates, or a class that is unknown or without images.
    """
    if "day_of_year" not in scenes.metadata:
        raise WorkshopError(f"{scenes} holds no day_of_year: its dates are not known.")
    figure, grid = picture_grid(len(classes), columns, caption=0.35, left=1.8)
    middles = (torch.arange(columns) + 0.5) * _YEAR / columns  # (columns,)
    days = scenes.metadata["day_of_year"]
    told = []
    for row, name in enumerate(classes):
        if name not in scenes.class_names:
            raise unknown_name("class", name, scenes.class_names)
        own = (scenes.labels == scenes.class_names.index(name)).nonzero().flatten()
        if len(own) == 0:
            raise WorkshopError(f"no image of {name} in {scenes}: take another class.")
        nearest = own[(days[own, None] - middles).abs().argmin(dim=0)]  # (columns,)
        shown = to_display(scenes.images[nearest], scenes.bands)
        taken = [int(day) for day in days[nearest].tolist()]
        for axes, picture, day in zip(grid[row], shown, taken, strict=True):
            frame(axes, picture, INK)
            axes.set_xlabel(f"day {day}", fontsize=10)
        grid[row, 0].text(
            -0.08, 0.5, name, transform=grid[row, 0].transAxes,
            ha="right", va="center", fontsize=12,
        )  # fmt: skip
        told.append(f"{name} on days {', '.join(map(str, taken))}")
    figure.suptitle(title, fontsize=15, fontweight="bold")
    figure.alt = f"{title}: one row of satellite images per class: {'; '.join(told)}."
    return figure
