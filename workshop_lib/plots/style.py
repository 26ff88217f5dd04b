"""House style of the figures, and alt text for readers who cannot see them."""

__all__ = [
    "GREY",
    "INK",
    "MINUS",
    "PALETTE",
    "AccessibleFigure",
    "describe",
    "house_style",
    "line_style",
    "new_axes",
    "point_style",
    "short_names",
    "svg",
    "write_figure",
]

import io
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.figure import Figure

from workshop_lib.files import write_or_explain
from workshop_lib.session import in_notebook

INK = "#1a1a1a"
GREY = "#b8bec6"
MINUS = "\N{MINUS SIGN}"  # as wide as a plus, unlike a hyphen

# Okabe & Ito (2008), "Color Universal Design": told apart with any colour vision.
# Their yellow is left out: on a white face a projector swallows it.
PALETTE = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "black": "#000000",
}
_COLOURS = tuple(PALETTE.values())
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Fonts with the letters of more languages, where a machine has them
_MORE_LETTERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans", "WenQuanYi Zen Hei", "Arial Unicode MS", "Noto Sans"),
)
_INSTALLED = set(font_manager.get_font_names())

_HOUSE: dict[str, Any] = {
    "font.family": ["DejaVu Sans", *(f for f in _MORE_LETTERS if f in _INSTALLED)],
    "font.size": 13,  # readable from the last row at the usual 8 inches of width
    "figure.titlesize": 15,
    "figure.titleweight": "bold",
    "axes.titlesize": 15,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,  # grid lines are pale, and behind the data
    "grid.color": "#e4e7eb",
    "grid.linewidth": 1,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5 $10"
    "lines.linewidth": 2.2,
    "legend.frameon": False,
}


class AccessibleFigure(Figure):
    """Matplotlib figure that carries its own alt text.

    Its face is white and its layout constrained unless told otherwise. It also knows
    how to show itself in a notebook: a figure made without pyplot is otherwise printed
    as a line of text when nothing has imported pyplot.
    """

    alt: str = ""

    def __init__(self, *args: Any, **more: Any) -> None:
        ours = {"layout": "constrained", "facecolor": "white"}
        super().__init__(*args, **(ours | more))

    def add_subplot(self, *args: Any, **more: Any) -> Any:
        """Add axes whose tick labels can be read in any session's style."""
        axes = super().add_subplot(*args, **more)
        # Ticks are made when the figure is drawn, long after `house_style` has ended
        axes.tick_params(colors=INK, labelsize=12)
        return axes

    def savefig(self, *args: Any, **more: Any) -> None:
        """Save the figure; say in one line which letters no font here has."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().savefig(*args, **more)
        numbers = (re.match(r"Glyph (\d+)", str(one.message)) for one in caught)
        letters = dict.fromkeys(chr(int(n[1])) for n in numbers if n)
        if letters:
            print(f"no font has {''.join(letters)}: install one, such as Noto Sans")
        for one in caught:
            if not str(one.message).startswith("Glyph"):
                warnings.warn_explicit(
                    one.message, one.category, one.filename, one.lineno
                )

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        buffer = io.BytesIO()
        dpi = 200 if _for_slides() else 100
        self.savefig(buffer, format="png", dpi=dpi, facecolor="white")
        return buffer.getvalue(), {"alt": self.alt}

    def _repr_svg_(self) -> str | None:
        """Add a drawing that is sharp at any size, where slides are to be made of it.

        Not otherwise: it would make a notebook several times as large.
        """
        return svg(self).decode() if _for_slides() else None


def _for_slides() -> bool:
    return os.environ.get("WORKSHOP_FIGURES") == "svg"


def carry_alt_text(formatters: dict[str, Any]) -> None:
    """Have a notebook show an `AccessibleFigure` by its own method, with its alt text.

    Matplotlib tells the notebook how to show any Figure, and that comes before a
    figure's own method; what is told of the exact class comes before both.

    Args:
        formatters: those of the shell's `display_formatter`, by MIME type.
    """
    show = AccessibleFigure._repr_png_
    formatters["image/png"].for_type(AccessibleFigure, show)


if in_notebook():
    carry_alt_text(sys.modules["IPython"].get_ipython().display_formatter.formatters)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house's style, whatever style the user's session has chosen.

    Use as a decorator, `@house_style()`. A dark style in the session would otherwise
    give white text on our white face. The session's own settings come back afterwards.
    """
    with matplotlib.style.context(["default", _HOUSE]):
        yield


def new_axes(
    width: float, height: float, *grid: int, **more: Any
) -> tuple[AccessibleFigure, Any]:
    """Make a figure with one pair of axes, or with rows and columns of them.

    Args:
        width, height: in inches.
        grid: rows and columns; none for a single pair.
        more: options of `Figure.subplots`.
    """
    figure = AccessibleFigure(figsize=(width, height))
    return figure, figure.subplots(*grid, **more)


def line_style(index: int) -> dict[str, Any]:
    """Return the colour, dash and marker of the line at a position in a figure.

    Colour is never alone: dash and marker tell lines apart in print and for any eye.

    >>> line_style(1)["linestyle"], line_style(1)["marker"]
    ('--', 's')
    """
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linestyle": _DASHES[index % len(_DASHES)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "markersize": 6,
    }


def point_style(index: int) -> dict[str, Any]:
    """Return the colour, marker and filling of a class in a scatter plot.

    For `Axes.plot` with `linestyle=""`. Colour is never alone: the first seven differ
    in colour and marker, the next seven are hollow and each has another marker than the
    class before of its colour, and so on: 49 classes are all different.
    """
    rounds, place = divmod(index, len(_COLOURS))
    colour, solid = _COLOURS[place], rounds % 2 == 0
    return {
        "linestyle": "",
        "marker": _MARKERS[(index + rounds) % len(_MARKERS)],
        "markerfacecolor": colour if solid else "white",
        "markeredgecolor": "white" if solid else colour,
        # The thin rim parts solid points that overlap
        "markeredgewidth": 0.4 if solid else 1.2,
    }


def describe(figure: AccessibleFigure) -> str:
    """Return a figure's alt text: its content in words and numbers.

    Every function of `workshop_lib.plots` attaches one.
    """
    return figure.alt


def short_names(names: Iterable[object], most: int = 24) -> list[str]:
    """Cut long names, for the ticks of an axis or below a picture.

    >>> short_names(["Lake", "HerbaceousVegetation"], 11)
    ['Lake', 'Herbaceous…']
    """
    texts = map(str, names)
    return [one if len(one) <= most else one[: most - 1] + "…" for one in texts]


def write_figure(path: Path, figure: Figure, dpi: int = 100) -> None:
    """Write a figure as .png, .jpg, .svg or .pdf, with a mark that it is ours.

    Raises:
        WorkshopError: it cannot be written.
    """
    kind = path.suffix.lstrip(".").lower()
    mark: dict[str, Any] = {"metadata": {"Creator": "workshop_lib"}}  # png, svg, pdf
    if kind in ("jpg", "jpeg"):
        mark = {"pil_kwargs": {"comment": b"workshop_lib"}}
    write_or_explain(path, partial(figure.savefig, format=kind, dpi=dpi, **mark))


def svg(figure: Figure) -> bytes:
    """Draw a figure as SVG: sharp at any size; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    # Without a fixed salt and date, two equal reports would differ
    with matplotlib.rc_context({"svg.hashsalt": "workshop"}):
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    return buffer.getvalue()
