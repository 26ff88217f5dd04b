"""Pictures with controls in a live kernel, and still pictures elsewhere."""

__all__ = ["choice", "is_live", "picture_with", "slider"]

import html
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from workshop_lib.plots import AccessibleFigure, describe
from workshop_lib.report.pictures import data_uri
from workshop_lib.session import in_notebook

_WHOLE = {"description_width": "initial"}  # no label is cut off


def choice(label: str, options: Sequence[str], value: str = "") -> ipywidgets.Dropdown:
    """Make a list to choose from; by default its first option is selected."""
    given = {"options": options, "value": value or options[0]}
    return ipywidgets.Dropdown(description=label, style=_WHOLE, **given)


def slider(kind: str, label: str, value: Any, **options: Any) -> ipywidgets.Widget:
    """Make a slider of a kind of ipywidgets; it redraws when it is released."""
    released = {"continuous_update": False, "layout": {"width": "32rem"}}
    given = {"description": label, "value": value, "style": _WHOLE}
    return getattr(ipywidgets, kind)(**given, **released, **options)


def is_live() -> bool:
    """Return whether a control would be answered: a kernel, and a person.

    A program that runs notebooks has a kernel too; such programs set CI=1, and get the
    still picture, which they can save.
    """
    return in_notebook() and "CI" not in os.environ


def picture_with(
    draw: Callable[..., AccessibleFigure],
    controls: Mapping[str, Any],
    still: Callable[[], AccessibleFigure] | None = None,
) -> Any:
    """Put controls above a picture that follows them.

    The picture is an <img> with alt text, and the same words stand below it, so that a
    change can also be read and heard. All controls work from the keyboard.

    Args:
        draw: returns the picture for the controls' values.
        controls: by the argument of `draw` that each sets.
        still: draws the picture without a live kernel; by default it is that of the
            controls' first values.

    Returns:
        A widget, or a figure without a live kernel.
    """

    def drawn() -> AccessibleFigure:
        return draw(**{name: control.value for name, control in controls.items()})

    if not is_live():
        return still() if still else drawn()
    picture = ipywidgets.HTML()

    def redraw(_: Any = None) -> None:
        picture.value = _as_html(drawn())

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
