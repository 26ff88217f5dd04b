"""Where the images lie on the map."""

__all__ = ["location_map"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    AccessibleFigure,
    house_style,
    new_axes,
    point_style,
)


@house_style()
def location_map(
    lat: NDArray[np.float32],
    lon: NDArray[np.float32],
    groups: NDArray[np.int64],
    group_names: Sequence[str],
    *,
    title: str = "Where the images lie",
) -> AccessibleFigure:
    """Draw each image as a point at its longitude and latitude.

    A degree of longitude is drawn as short as it is on the ground in the middle of the
    map, so that distances can be compared in all directions.

    Args:
        lat, lon: (N,) degrees north and east.
        groups: (N,) what tells the points apart: regions, classes, or parts of a split.
        group_names: names of the groups.
        title: heading of the figure.

    Raises:
        WorkshopError: no image, lengths that differ, or a group without name.
    """
    if not 0 < len(lat) == len(lon) == len(groups):
        raise WorkshopError(
            f"{len(lat)} latitudes, {len(lon)} longitudes and {len(groups)} groups:"
            " give one of each per image, and at least one image."
        )
    if groups.min() < 0 or groups.max() >= len(group_names):
        raise WorkshopError(
            f"groups {groups.min()} to {groups.max()} with {len(group_names)} names:"
            " name each group."
        )
    figure, axes = new_axes(5.6, 6.6)
    words = []
    for k, name in enumerate(group_names):
        own = groups == k
        if not own.any():
            continue
        style = {"markersize": 5, **point_style(k)}
        axes.plot(lon[own], lat[own], label=f"{name} ({own.sum():,})", **style)
        words.append(
            f"{name}: {own.sum():,} images, latitude {lat[own].min():.0f} to"
            f" {lat[own].max():.0f}, longitude {lon[own].min():.0f} to"
            f" {lon[own].max():.0f}"
        )
    middle = np.radians((float(lat.min()) + float(lat.max())) / 2)
    axes.set_aspect(1 / max(float(np.cos(middle)), 0.1))
    axes.set_xlabel("longitude (degrees east)")
    axes.set_ylabel("latitude (degrees north)")
    axes.set_title(title)
    axes.grid(color="#e4e7eb", linewidth=1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2, fontsize=11, markerscale=1.6)
    figure.alt = f"Map of points: {title}. {'; '.join(words)}."
    return figure
