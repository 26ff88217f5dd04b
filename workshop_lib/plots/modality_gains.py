"""What each set of modalities reaches, seed by seed, against one sensor alone."""

__all__ = ["modality_gains"]

from typing import Any

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    AccessibleFigure,
    house_style,
    line_style,
)

_BAR: dict[str, Any] = {"marker": "|", "markersize": 20, "markeredgewidth": 2.5}


@house_style()
def modality_gains(
    scenes: pd.DataFrame, maps: pd.DataFrame, *, against: str = "S2"
) -> AccessibleFigure:
    """Draw a row per set of modalities: F1 of scenes, IoU of maps; a point per seed.

    Args:
        scenes: rows of `workshop_lib.modality_table.measure`, classified scenes.
        maps: the same, of segmentation; without rows that panel is left out.
        against: the set whose mean is drawn as a line through each panel.

    Raises:
        WorkshopError: no rows, or none of the set to compare with.
    """
    for rows in (scenes, maps) if len(maps) else (scenes,):
        if against not in set(rows["name"]):
            raise WorkshopError(
                f"sets {', '.join(rows['name'].unique()) or '(none)'}: {against!r},"
                " which the others are compared with, is not among them."
            )
    names = list(dict.fromkeys([*scenes["name"], *maps["name"]]))[::-1]
    figure = AccessibleFigure(figsize=(11, 1.4 + 0.45 * len(names)))
    studies = [(scenes, "f1", "Scenes: F1 (%)")]
    if len(maps):
        studies.append((maps, "iou", "Land-cover maps: mIoU (%)"))
    panels = figure.subplots(1, len(studies), sharey=True, squeeze=False)[0]
    words = []
    for panel, (rows, column, title) in zip(panels, studies, strict=True):
        values = (100 * rows[column]).groupby(rows["name"])
        mean, count = values.mean(), int(values.count().max())
        panel.axvline(mean[against], color=GREY, linewidth=2, zorder=1)
        for name, reached in values:
            place = names.index(name)
            better = line_style(0 if mean[name] >= mean[against] else 1)
            dots = better | {"linestyle": "", "markersize": 7, "alpha": 0.6}
            panel.plot(reached, [place] * len(reached), **dots)
            panel.plot(mean[name], place, **_BAR, color=better["color"])
            words.append(f"{title[:-4]} of {name}: {mean[name]:.1f} %.")
        panel.set_title(title)
        panel.set_xlabel(f"a point per seed ({count}); bar: mean; grey line: {against}")
        panel.xaxis.label.set_fontsize(11)
        panel.tick_params(colors=INK)
        panel.grid(axis="both", color="#e4e7eb", linewidth=1)
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(names)), names)
    figure.alt = "A point per seed and set of modalities. " + " ".join(words)
    return figure
