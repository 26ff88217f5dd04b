"""The shape that a figure has on a slide."""

__all__ = ["key_below", "reshape"]

from slides.draw.letters import for_the_room
from workshop_lib.plots import AccessibleFigure


def reshape(
    figure: AccessibleFigure,
    width: float,
    height: float,
    shown: float,
    points: float = 18,
) -> AccessibleFigure:
    """Give a figure the shape of its place on a slide, and letters that can be read.

    Args:
        figure: is changed, and returned; loses its title, which the heading says.
        width, height: in inches. The fewer, the larger come out points and markers.
        shown: the width that the deck gives it (`w:720`), in points of the slide.
        points: height of the letters there.
    """
    figure.set_size_inches(width, height)
    for_the_room(figure, points, shown)
    # The layout settles in its second turn where maps keep their aspect
    figure.draw_without_rendering()
    return figure


def key_below(
    figure: AccessibleFigure, columns: int, means: bool = True
) -> AccessibleFigure:
    """Lay the key below a figure out in other columns.

    Args:
        figure: is changed, and returned; its letters keep their size.
        columns: of the key.
        means: whether to keep the means that `plots.histograms` writes there.
    """
    (old,) = figure.legends
    handles, labels = old.legend_handles, [t.get_text() for t in old.get_texts()]
    size = old.get_texts()[0].get_fontsize()
    old.remove()
    figure.legend(
        handles,
        [label if means else label.split(": mean")[0] for label in labels],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=size,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    return figure
