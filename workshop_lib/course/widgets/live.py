"""A picture with controls where a kernel listens, and a still picture elsewhere."""

__all__ = ["is_live", "picture_with"]

import html
import importlib.util
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from workshop_lib.evaluation.report_pictures import data_uri
from workshop_lib.plots import AccessibleFigure, describe
from workshop_lib.session import in_notebook


def is_live() -> bool:
    """Tell whether a control would be answered: a kernel, ipywidgets, and a person.

    A program that runs notebooks has a kernel too; such programs set CI=1, and get the
    still picture, which they can save.
    """
    known = importlib.util.find_spec("ipywidgets") is not None
    return known and in_notebook() and "CI" not in os.environ


def picture_with(
    controls: Mapping[str, Any], draw: Callable[..., AccessibleFigure]
) -> Any:
    """Put controls above a picture that follows them.

    The picture is an <img> with alt text, and the same words stand below it, so that a
    change can also be read and heard. Sliders redraw when they are let go.

    Args:
        controls: widgets with a `value`, by the argument of `draw` that each sets.
        draw: returns the picture for the controls' values.

    Returns:
        The widget to show.
    """
    import ipywidgets

    picture = ipywidgets.HTML()

    def redraw(_: Any = None) -> None:
        values = {name: control.value for name, control in controls.items()}
        picture.value = _as_html(draw(**values))

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def _as_html(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    alt = html.escape(describe(figure))
    image = f'<img src="{data_uri(buffer.getvalue(), "png")}" alt="{alt}">'
    return f'{image}<p style="max-width: 46rem">{alt}</p>'
