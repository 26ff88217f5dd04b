"""How classes are told apart on a map of many: a colour, a marker and a number each."""

__all__ = ["class_marks"]

from collections.abc import Sequence

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    point_style,
)

_MOST = 49  # point_style repeats itself beyond


@house_style()
def class_marks(
    class_names: Sequence[str],
    *,
    title: str = "A mark of its own for each class",
    columns: int = 3,
) -> AccessibleFigure:
    """Draw the mark of each class, as `embedding_grid` uses it, above colour alone.

    Below each mark a plain dot in the colours of a usual palette of seven, which comes
    round again: the classes that share a colour cannot be told apart there.

    Args:
        class_names: K names, at most 49.
        title: heading of the figure.
        columns: of names beside each other.

    Raises:
        WorkshopError: no names, or more than there are marks for.
    """
    K = len(class_names)
    if not 1 <= K <= _MOST:
        raise WorkshopError(
            f"{K} class names: give 1 to {_MOST}, for so many there are marks."
        )
    colours = list(PALETTE.values())
    rows = -(-K // columns)
    figure = AccessibleFigure(
        figsize=(3.9 * columns, 0.9 + 0.46 * rows),
    )  # fmt: skip
    axes = figure.add_subplot()
    for k, name in enumerate(class_names):
        column, row = divmod(k, rows)
        x = 3.9 * column
        axes.plot(
            x, row, marker="o", linestyle="", markersize=11,
            color=colours[k % len(colours)],
        )  # fmt: skip
        axes.plot(x + 0.8, row, **{**point_style(k), "markersize": 13})
        axes.text(x + 1.2, row, f"{k + 1:>2}  {name}", va="center", color=INK)
    axes.set(xlim=(-0.4, 3.9 * columns - 0.4), ylim=(rows - 0.4, -1.1))
    for column in range(columns):
        for x, word in ((0.0, "colour\nalone"), (0.8, "our\nmark")):
            axes.text(
                3.9 * column + x, -0.55, word, ha="center", va="bottom", fontsize=9
            )
    axes.axis("off")
    figure.suptitle(title, fontsize=15, fontweight="bold")
    shared = -(-K // len(colours))
    figure.alt = (
        f"{title}: {K} classes. By colour alone up to {shared} of them look alike; with"
        f" marker and filling all {K} differ. In order: {', '.join(class_names)}."
    )
    return figure
