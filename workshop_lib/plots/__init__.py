"""Every figure of the workshop: returns a matplotlib Figure with alt text attached.

White face, colour-blind safe, readable from the last row. `describe(figure)` gives the
alt text. Nothing here needs pyplot or changes the session's style.
"""

from workshop_lib.plots.bars import bars
from workshop_lib.plots.class_marks import class_marks
from workshop_lib.plots.confusion import confusion_matrix
from workshop_lib.plots.cover_maps import cover_maps
from workshop_lib.plots.curves import growing_curve, learning_curves, pseudo_labels
from workshop_lib.plots.display import sar_to_display, to_display
from workshop_lib.plots.embedding import Panel, embedding_grid
from workshop_lib.plots.flow import Box, flow
from workshop_lib.plots.histograms import histograms
from workshop_lib.plots.ladder import Bar, baselines
from workshop_lib.plots.lines import lines
from workshop_lib.plots.mask_grid import cover_colours, mask_grid
from workshop_lib.plots.modalities import modality_samples
from workshop_lib.plots.modality_gains import modality_gains
from workshop_lib.plots.neighbours import neighbours
from workshop_lib.plots.opinions import ClassProbabilities, class_probabilities
from workshop_lib.plots.pairs import image_pairs
from workshop_lib.plots.panels import panels
from workshop_lib.plots.per_class import per_class
from workshop_lib.plots.picture_rows import picture_rows
from workshop_lib.plots.pictures import class_samples, gallery
from workshop_lib.plots.places import location_map
from workshop_lib.plots.pseudo_label_bias import pseudo_label_bias
from workshop_lib.plots.ranges import ranges
from workshop_lib.plots.reliability import reliability
from workshop_lib.plots.seasons import seasons
from workshop_lib.plots.seeds import seed_plot
from workshop_lib.plots.side_look import sar_geometry
from workshop_lib.plots.spectra import spectra
from workshop_lib.plots.split_bars import split_bars
from workshop_lib.plots.style import AccessibleFigure, describe
from workshop_lib.plots.task_levels import task_levels
from workshop_lib.plots.unit_circle import l2_normalization
from workshop_lib.plots.vector_path import forward_diagram
from workshop_lib.plots.views import view_rows

__all__ = [
    "Box",
    "AccessibleFigure",
    "ClassProbabilities",
    "Panel",
    "Bar",
    "bars",
    "class_marks",
    "class_samples",
    "confusion_matrix",
    "cover_maps",
    "cover_colours",
    "describe",
    "embedding_grid",
    "flow",
    "gallery",
    "growing_curve",
    "histograms",
    "image_pairs",
    "baselines",
    "learning_curves",
    "lines",
    "mask_grid",
    "modality_gains",
    "modality_samples",
    "neighbours",
    "class_probabilities",
    "panels",
    "per_class",
    "picture_rows",
    "location_map",
    "pseudo_label_bias",
    "pseudo_labels",
    "ranges",
    "reliability",
    "sar_to_display",
    "seasons",
    "sar_geometry",
    "spectra",
    "seed_plot",
    "split_bars",
    "task_levels",
    "to_display",
    "l2_normalization",
    "forward_diagram",
    "view_rows",
]
