"""Checks of the learner's own functions, in the order of the units."""

__all__ = [
    "CheckFailed",
    "cohens_kappa",
    "confidence_mask",
    "convolve",
    "count_labels",
    "cutout",
    "detective",
    "draw_split",
    "fixmatch_loss",
    "knn_accuracy",
    "l2_normalize",
    "majority_accuracy",
    "mean_and_interval",
    "nearest_neighbours",
    "predict_memory",
    "pseudo_labels",
    "top_k_accuracy",
    "weak_view",
]

from workshop_lib.teaching.checks.faults import detective
from workshop_lib.teaching.checks.fixmatch import fixmatch_loss
from workshop_lib.teaching.checks.memory import predict_memory
from workshop_lib.teaching.checks.trial import CheckFailed
from workshop_lib.teaching.checks.unit_01 import convolve, majority_accuracy
from workshop_lib.teaching.checks.unit_02 import count_labels, draw_split
from workshop_lib.teaching.checks.unit_03 import cutout, weak_view
from workshop_lib.teaching.checks.unit_04 import confidence_mask, pseudo_labels
from workshop_lib.teaching.checks.unit_05 import (
    cohens_kappa,
    mean_and_interval,
    top_k_accuracy,
)
from workshop_lib.teaching.checks.unit_06 import (
    knn_accuracy,
    l2_normalize,
    nearest_neighbours,
)
