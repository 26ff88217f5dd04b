"""Images in named rows, each image with words of its own below it."""

__all__ = ["picture_rows"]

from collections.abc import Mapping, Sequence

from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.pictures import frame
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

_LINE = 0.24  # inches that a line of words takes


@house_style()
def picture_rows(
    rows: Mapping[str, tuple[Tensor, Sequence[str]]],
    bands: Sequence[str],
    *,
    title: str = "",
    side: float = 1.1,
    unknown: str = "?",
) -> AccessibleFigure:
    """Show rows of images with a caption each; an unknown one is grey and dashed.

    Args:
        rows: by the name that stands on the left (it may have several lines): images
            (n, C, H, W), as `Scenes.images`, and n captions.
        bands: the names of the C channels.
        title: heading of the figure; none by default.
        side: of each image, in inches.
        unknown: how a caption begins whose image nobody has named: its frame is grey
            and dashed, that of the others vermilion.

    Raises:
        WorkshopError: there is no image, or not one caption for each.
    """
    for name, (images, captions) in rows.items():
        if not 0 < len(images) == len(captions):
            raise WorkshopError(
                f"row {name!r}: {len(images)} images and {len(captions)} captions; give"
                " at least one image, and a caption for each."
            )
    if not rows:
        raise WorkshopError("no rows: give at least one row of images.")
    columns = max(len(images) for images, _ in rows.values())
    lines = max(text.count("\n") + 1 for _, texts in rows.values() for text in texts)
    longest = max(len(line) for name in rows for line in name.split("\n"))
    left = 0.3 + 0.13 * longest if longest else 0.1
    head = 0.45 if title else 0.05
    # Laid out by hand: the room for words is known, and nothing is pushed apart
    cell = (side + 0.12, side + _LINE * lines + 0.1)
    width, height = left + columns * cell[0], head + len(rows) * cell[1]
    figure = AccessibleFigure(figsize=(width, height), layout=None)
    spoken = []
    for k, (name, (images, captions)) in enumerate(rows.items()):
        top = height - head - k * cell[1]
        figure.text(
            (left - 0.15) / width, (top - side / 2) / height, name,
            ha="right", va="center", fontsize=13, fontweight="bold",
        )  # fmt: skip
        shown = zip(to_display(images, bands), captions, strict=True)
        for column, (picture, text) in enumerate(shown):
            corner = ((left + column * cell[0]) / width, (top - side) / height)
            axes = figure.add_axes((*corner, side / width, side / height))
            known = not text.startswith(unknown)
            frame(axes, picture, PALETTE["vermilion"] if known else GREY)
            axes.spines[:].set_linestyle("-" if known else "--")
            axes.set_xlabel(text, fontsize=12, color=INK, labelpad=3)
        said = f"{name}: ".replace("\n", ", ") if name.strip() else ""
        spoken.append(said + ", ".join(t.replace("\n", " ") for t in captions))
    figure.suptitle(title, fontsize=15, fontweight="bold", y=1 - 0.1 / height, va="top")
    heading = f"{title}. " if title else ""
    figure.alt = f"{heading}Rows of satellite images. {'; '.join(spoken)}."
    return figure
