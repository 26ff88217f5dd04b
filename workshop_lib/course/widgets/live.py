"""Pictures with controls in a live kernel, and still pictures elsewhere."""

__all__ = ["Control", "choice", "is_live", "picture_with", "slider"]

import html
import importlib.util
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from workshop_lib.plots import AccessibleFigure, describe
from workshop_lib.report.pictures import data_uri
from workshop_lib.session import in_notebook


class Control(NamedTuple):
    """A control as ipywidgets knows it, described before ipywidgets is imported.

    Args:
        kind: "Dropdown", "FloatSlider", "IntSlider" or "SelectionSlider".
        value: at first.
        options: of that kind, e.g. description, min and max.
    """

    kind: str
    value: Any
    options: Mapping[str, Any]


def choice(label: str, options: Sequence[str], value: str = "") -> Control:
    """Describe a list to choose from; by default its first option is selected."""
    given = {"description": label, "options": options}
    return Control("Dropdown", value or options[0], given)


def slider(kind: str, label: str, value: Any, **options: Any) -> Control:
    """Describe a slider of a kind of ipywidgets; it redraws when it is released."""
    released = {"continuous_update": False, "layout": {"width": "32rem"}}
    return Control(kind, value, {"description": label, **released, **options})


def is_live() -> bool:
    """Return whether a control would be answered: a kernel, ipywidgets, and a person.

    A program that runs notebooks has a kernel too; such programs set CI=1, and get the
    still picture, which they can save.
    """
    known = importlib.util.find_spec("ipywidgets") is not None
    return known and in_notebook() and "CI" not in os.environ


def picture_with(
    draw: Callable[..., AccessibleFigure],
    controls: Mapping[str, Control],
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
    if not is_live():
        first = {name: control.value for name, control in controls.items()}
        return still() if still else draw(**first)
    import ipywidgets

    whole = {"description_width": "initial"}  # no label is cut off
    widgets = {
        name: getattr(ipywidgets, kind)(value=value, style=whole, **options)
        for name, (kind, value, options) in controls.items()
    }
    picture = ipywidgets.HTML()

    def redraw(_: Any = None) -> None:
        values = {name: widget.value for name, widget in widgets.items()}
        picture.value = _as_html(draw(**values))

    for widget in widgets.values():
        widget.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*widgets.values(), picture])


def _as_html(figure: AccessibleFigure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    alt = html.escape(describe(figure))
    image = f'<img src="{data_uri(buffer.getvalue(), "png")}" alt="{alt}">'
    return f'{image}<p style="max-width: 46rem">{alt}</p>'
