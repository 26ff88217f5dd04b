"""From a unit's functions to the files that its deck shows.

A unit is a module `slides.draw.unit_NN` with

    FIGURES: dict[str, Callable[[], AccessibleFigure]]  # "04_curves.svg": curves, ...
    MEASURED: dict[str, Callable[[], dict]]    # "04_curves.json": log_rows, ...

whose names are those of the files in slides/figures and slides/data. Figures are drawn
from MiniEO and from slides/data, in seconds. What needs a training is measured once,
from `deck_run`, and committed.
"""

__all__ = ["FIGURES", "as_bytes", "measured", "units", "write_figures", "write_data"]

import importlib
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, write_or_explain, write_text
from workshop_lib.plots.style import AccessibleFigure, svg

FIGURES = Path(__file__).parents[1] / "figures"
DATA = Path(__file__).parents[1] / "data"
PIXELS = 1600  # the width of a .png: sharp at the 1280 of a slide, and still small


def units() -> dict[int, ModuleType]:
    """Import every `unit_NN`, by number."""
    found = sorted(Path(__file__).parent.glob("unit_[0-9][0-9].py"))
    return {
        int(path.stem[-2:]): importlib.import_module(f"slides.draw.{path.stem}")
        for path in found
    }


def measured(name: str) -> dict[str, Any]:
    """Read a file of slides/data, say "04_curves.json".

    Raises:
        WorkshopError: there is no such file yet, or it is damaged.
    """
    path = DATA / name
    if not path.exists():
        raise WorkshopError(
            f"slides/data/{name} is missing: "
            f"python -m slides.draw --measure {int(name[:2])} writes it."
        )
    return read_json(path)


def as_bytes(name: str, figure: AccessibleFigure) -> bytes:
    """Draw a figure as the file `name` is to hold it; the same figure, the same bytes.

    Args:
        name: ends in .svg for lines and words, in .png for photographs.
        figure: with alt text, which the deck's Markdown repeats or shortens.

    Raises:
        WorkshopError: another ending, or a figure without alt text.
    """
    if not figure.alt:
        raise WorkshopError(f"{name} has no alt text: set `figure.alt`.")
    if name.endswith(".svg"):
        return svg(figure)
    if not name.endswith(".png"):
        raise WorkshopError(f"{name} is neither .svg nor .png.")
    buffer = io.BytesIO()
    dpi = PIXELS / figure.get_figwidth()
    # Without the version of matplotlib, which would change the bytes but no pixel
    bare = {"Software": None}
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata=bare)
    return buffer.getvalue()


def write_data(unit: ModuleType) -> list[Path]:
    """Train or load what a unit measures, and write its files in slides/data."""
    paths = []
    for name, measure in getattr(unit, "MEASURED", {}).items():
        path = DATA / name
        # A line for each key: small, and a change can be read in a diff
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in measure().items()]
        write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
        paths.append(path)
    return paths


def write_figures(unit: ModuleType) -> list[Path]:
    """Draw a unit's figures into slides/figures."""
    paths = []
    for name, draw in unit.FIGURES.items():
        content = as_bytes(name, draw())
        path = FIGURES / name
        write_or_explain(path, lambda new, content=content: new.write_bytes(content))
        paths.append(path)
    return paths
