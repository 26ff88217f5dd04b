"""Letters that carry to the back of the room, whatever size a figure is shown at."""

__all__ = ["for_the_room"]

from matplotlib.text import Text

from workshop_lib.plots.style import AccessibleFigure

_SHOWN = (1136.0, 480.0)  # points of a slide that a picture may fill, as in theme.css


def for_the_room(
    figure: AccessibleFigure,
    points: float = 20,
    width: float = _SHOWN[0],
    title: bool = False,
) -> AccessibleFigure:
    """Give a figure letters of `points` of a slide, which has 1280 x 720 of them.

    Args:
        figure: is changed, and returned.
        points: height of the letters; 18 is the theme's smallest.
        width: that the picture has on the slide.
        title: whether to keep the figure's title. As a rule the slide's heading says
            it, and says it better.
    """
    if not title and figure.get_suptitle():
        figure.suptitle("")
    inches, high = figure.get_size_inches()
    size = points * 72 / min(width / inches, _SHOWN[1] / high)
    for text in figure.findobj(Text):
        text.set_fontsize(size)
    for axes in figure.axes:
        axes.tick_params(labelsize=size)
    return figure
