"""Images and their nearest neighbours in an embedding."""

__all__ = ["neighbours"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.pictures import frame, picture_grid, short
from workshop_lib.plots.style import INK, PALETTE, AccessibleFigure, house_style


@house_style()
def neighbours(
    images: Tensor,
    bands: Sequence[str],
    labels: NDArray[np.int64],
    class_names: Sequence[str],
    queries: NDArray[np.int64],
    found: NDArray[np.int64],
    similarity: NDArray[np.float32],
    *,
    title: str = "Nearest neighbours",
) -> AccessibleFigure:
    """Show images, one per row, and to the right what the network finds most alike.

    Args:
        images: (N, C, H, W), as `Scenes.images`.
        bands: names of the C channels.
        labels: (N,) true classes.
        class_names: K names.
        queries: (Q,) positions of the images asked about.
        found: (Q, k) positions of their neighbours, as `nearest` returns.
        similarity: (Q, k) cosines.
        title: heading of the figure.

    Raises:
        WorkshopError: the shapes do not fit together.
    """
    Q = len(queries)
    if found.ndim != 2 or found.shape != similarity.shape or not 0 < Q == len(found):
        raise WorkshopError(
            f"{Q} queries, neighbours of shape {found.shape} and similarities of shape"
            f" {similarity.shape}: give (Q,), (Q, k) and (Q, k); `nearest` makes them."
        )
    if len(images) != len(labels):
        raise WorkshopError(
            f"{len(images)} images and {len(labels)} labels: one for each."
        )
    figure, grid = picture_grid(Q, 1 + found.shape[1], caption=0.5)
    same = labels[found] == labels[queries][:, None]  # (Q, k)
    for row, query in enumerate(queries.tolist()):
        own = short(class_names[labels[query]])
        shown = to_display(images[[query, *found[row].tolist()]], bands)
        frame(grid[row, 0], shown[0], INK)
        grid[row, 0].set_xlabel(f"{own}\nasked", fontsize=10, fontweight="bold")
        for axes, picture, i, near, right in zip(
            grid[row, 1:], shown[1:], found[row], similarity[row], same[row],
            strict=True,
        ):  # fmt: skip
            frame(axes, picture, PALETTE["green" if right else "vermilion"])
            # A sign as well as a colour, for whoever cannot tell the two apart
            sign = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
            text = f"{sign} {short(class_names[labels[i]])}\n{near:.2f}"
            axes.set_xlabel(text, fontsize=10, color=INK)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    rows = "; ".join(
        f"{class_names[labels[q]]}: {int(n)} of {found.shape[1]}"
        for q, n in zip(queries, same.sum(axis=1), strict=True)
    )
    figure.alt = (
        f"{title}: an image per row, its neighbours beside it. Same class: {rows}."
    )
    return figure
