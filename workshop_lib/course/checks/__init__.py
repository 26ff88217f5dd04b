"""Checks of the learner's own functions."""

__all__ = [
    "CheckFailed",
    "channel_statistics",
    "cohens_kappa",
    "confidence_mask",
    "convolve",
    "count_labels",
    "cutout",
    "detective",
    "draw_split",
    "encode_facts",
    "fixmatch_loss",
    "head_parameters",
    "knn_accuracy",
    "l2_normalize",
    "late_forward",
    "majority_accuracy",
    "mean_and_interval",
    "mean_iou",
    "nearest_neighbours",
    "pixel_loss",
    "predict_memory",
    "predict_parameters",
    "pseudo_labels",
    "sum_scores",
    "times_seen",
    "top_k_accuracy",
    "verdict",
    "weak_view",
    "window_starts",
]

from workshop_lib.course.checks.attempt import CheckFailed
from workshop_lib.course.checks.evaluation import (
    cohens_kappa,
    knn_accuracy,
    l2_normalize,
    majority_accuracy,
    mean_and_interval,
    nearest_neighbours,
    top_k_accuracy,
)
from workshop_lib.course.checks.fusion import (
    channel_statistics,
    encode_facts,
    late_forward,
    predict_parameters,
    verdict,
)
from workshop_lib.course.checks.images import convolve, cutout, weak_view
from workshop_lib.course.checks.segmentation import (
    head_parameters,
    mean_iou,
    pixel_loss,
    sum_scores,
    times_seen,
    window_starts,
)
from workshop_lib.course.checks.splits import count_labels, detective, draw_split
from workshop_lib.course.checks.training import (
    confidence_mask,
    fixmatch_loss,
    predict_memory,
    pseudo_labels,
)
