"""Figures of the workshop: matplotlib figures with alt text attached.

White face, colour-blind safe, readable from the last row. `describe(figure)` returns
the alt text. No function changes the session's style or leaves a pyplot figure open.
"""

from workshop_lib.plots.charts import Bar, bars, baselines, histograms, lines
from workshop_lib.plots.data import location_map, modality_gains, spectra, split_bars
from workshop_lib.plots.display import panels, sar_to_display, to_display
from workshop_lib.plots.embedding import Panel, embedding_grid, l2_normalization, tsne
from workshop_lib.plots.evaluation import (
    confusion_matrix,
    per_class,
    pseudo_label_bias,
    reliability,
    seed_plot,
)
from workshop_lib.plots.images import (
    class_samples,
    gallery,
    neighbours,
    seasons,
    view_rows,
)
from workshop_lib.plots.maps import mask_grid, modality_samples, task_levels
from workshop_lib.plots.style import AccessibleFigure, describe
from workshop_lib.plots.training import (
    gradient_conflict,
    learning_curves,
    pseudo_labels,
)

__all__ = [
    "AccessibleFigure",
    "Bar",
    "Panel",
    "bars",
    "baselines",
    "class_samples",
    "confusion_matrix",
    "describe",
    "embedding_grid",
    "gallery",
    "gradient_conflict",
    "histograms",
    "l2_normalization",
    "learning_curves",
    "lines",
    "location_map",
    "mask_grid",
    "modality_gains",
    "modality_samples",
    "neighbours",
    "panels",
    "per_class",
    "pseudo_label_bias",
    "pseudo_labels",
    "reliability",
    "sar_to_display",
    "seasons",
    "seed_plot",
    "spectra",
    "split_bars",
    "task_levels",
    "to_display",
    "tsne",
    "view_rows",
]
