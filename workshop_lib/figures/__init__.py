"""Every figure of the workshop: returns a matplotlib Figure with alt text attached.

White face, colour-blind safe, readable from the last row. `describe(figure)` gives the
alt text. Nothing here needs pyplot or changes the session's style.
"""

from workshop_lib.figures.confusion import confusion
from workshop_lib.figures.curves import learning_curves, pseudo_labels
from workshop_lib.figures.display import sar_to_display, to_display
from workshop_lib.figures.embedding import Panel, embedding_grid
from workshop_lib.figures.ladder import Rung, ladder
from workshop_lib.figures.modalities import modality_samples
from workshop_lib.figures.neighbours import neighbours
from workshop_lib.figures.pairs import image_pairs
from workshop_lib.figures.pictures import class_samples, gallery
from workshop_lib.figures.pseudo_label_bias import pseudo_label_bias
from workshop_lib.figures.reliability import reliability
from workshop_lib.figures.style import Drawing, describe

__all__ = [
    "Drawing",
    "Panel",
    "Rung",
    "class_samples",
    "confusion",
    "describe",
    "embedding_grid",
    "gallery",
    "image_pairs",
    "ladder",
    "learning_curves",
    "modality_samples",
    "neighbours",
    "pseudo_label_bias",
    "pseudo_labels",
    "reliability",
    "sar_to_display",
    "to_display",
]
