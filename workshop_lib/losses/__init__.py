"""The losses that the methods are put together from: one idea, one file."""

__all__ = [
    "DistributionAlignment",
    "PseudoLabelMemory",
    "RampUp",
    "WindowAlignment",
    "class_aware_contrast",
    "confidence_mask",
    "consistency_loss",
    "contrast_weights",
    "graph_contrast",
    "matching_accuracy",
    "nt_xent",
    "pseudo_label",
    "pseudo_label_graph",
    "sharpen",
    "supervised_loss",
    "weighted_contrast",
]

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.class_aware_contrast import (
    class_aware_contrast,
    contrast_weights,
)
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    sharpen,
    supervised_loss,
)
from workshop_lib.losses.graph_contrast import graph_contrast, pseudo_label_graph
from workshop_lib.losses.memory import PseudoLabelMemory
from workshop_lib.losses.nt_xent import matching_accuracy, nt_xent
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.losses.weighted_contrast import weighted_contrast
from workshop_lib.losses.window_alignment import WindowAlignment
