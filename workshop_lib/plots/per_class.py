"""What each class reaches, several methods side by side."""

__all__ = ["per_class"]

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
)


@house_style()
def per_class(
    values: Mapping[str, ArrayLike],
    class_names: Sequence[str],
    *,
    title: str = "Accuracy of each class",
    x_label: str = "images of the class that are right (%)",
) -> AccessibleFigure:
    """Draw the share of each class that is right: a line per class, a point per method.

    One accuracy for all classes hides the class that a method gave up. The classes are
    sorted by the last method's value, the worst at the bottom.

    Args:
        values: (K,) shares, 0 to 1, by the name to show; NaN, for a class without
            images, is left out.
        class_names: K names.
        title: heading of the figure.
        x_label: what is shared, in per cent.

    Raises:
        WorkshopError: nothing to draw, or not K values.
    """
    K = len(class_names)
    shares = {name: 100 * np.asarray(v, np.float64) for name, v in values.items()}
    if not shares or any(one.shape != (K,) for one in shares.values()):
        shapes = ", ".join(str(one.shape) for one in shares.values()) or "none"
        raise WorkshopError(
            f"values of shape {shapes} for {K} class names: give at least one method,"
            " and a value for each class."
        )
    last = list(shares)[-1]
    order = np.argsort(np.nan_to_num(shares[last], nan=-1.0), kind="stable")  # (K,)
    figure, axes = new_axes(8.0, min(1.8 + 0.34 * K, 16.0))
    axes.hlines(range(K), 0, 100, color="#e4e7eb", linewidth=1, zorder=0)
    for position, (name, one) in enumerate(shares.items()):
        style = line_style(position) | {"linestyle": "", "markersize": 9}
        # A little above each other: equal values would hide one another
        shift = 0.16 * ((len(shares) - 1) / 2 - position)
        axes.plot(one[order], np.arange(K) + shift, label=name, **style)
    names = [textwrap.shorten(class_names[k], 24, placeholder="…") for k in order]
    axes.set_yticks(range(K), names, fontsize=12 if K <= 30 else 8)
    axes.set_xlim(-2, 102)
    axes.set_xlabel(x_label)
    axes.set_title(title)
    axes.tick_params(colors=INK)
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=min(len(shares), 3))
    words = [
        f"{name}: best {class_names[int(np.nanargmax(one))]} {np.nanmax(one):.0f} %,"
        f" worst {class_names[int(np.nanargmin(one))]} {np.nanmin(one):.0f} %."
        for name, one in shares.items()
        if not np.isnan(one).all()
    ]
    figure.alt = f"{title}, in per cent, {K} classes. " + " ".join(words)
    return figure
