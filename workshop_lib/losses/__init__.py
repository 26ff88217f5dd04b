"""Losses: the parts that the methods are built from, one idea per file."""

__all__ = [
    "DistributionAlignment",
    "MovingAverageAlignment",
    "NTXentLoss",
    "PseudoLabelMemory",
    "RampUp",
    "class_aware_contrast",
    "confidence_mask",
    "consistency_loss",
    "contrast_weights",
    "dice_loss",
    "fixmatch_loss",
    "focal_loss",
    "graph_contrast",
    "matching_accuracy",
    "nt_xent",
    "pseudo_label",
    "pseudo_label_graph",
    "sharpen",
    "weighted_contrast",
]

from workshop_lib.losses.alignment import (
    DistributionAlignment,
    MovingAverageAlignment,
)
from workshop_lib.losses.contrastive import (
    NTXentLoss,
    class_aware_contrast,
    contrast_weights,
    graph_contrast,
    matching_accuracy,
    nt_xent,
    pseudo_label_graph,
    weighted_contrast,
)
from workshop_lib.losses.memory import PseudoLabelMemory
from workshop_lib.losses.pseudo_labels import (
    confidence_mask,
    consistency_loss,
    fixmatch_loss,
    pseudo_label,
    sharpen,
)
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.losses.segmentation import dice_loss, focal_loss
