"""The shape that a figure has on a slide."""

__all__ = ["reshape"]

from slides.draw.letters import for_the_room
from workshop_lib.figures import Drawing


def reshape(
    figure: Drawing, width: float, height: float, shown: float, points: float = 18
) -> Drawing:
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
