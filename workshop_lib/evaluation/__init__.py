"""Scores of trained models on test images, and how certain they are."""

from workshop_lib.evaluation.calibration import calibrate, reliability
from workshop_lib.evaluation.head_metrics import MultilabelScores, score_multilabel
from workshop_lib.evaluation.metrics import Scores, score, scores_from_confusion
from workshop_lib.evaluation.statistics import bootstrap_interval, mcnemar

__all__ = [
    "MultilabelScores",
    "Scores",
    "bootstrap_interval",
    "calibrate",
    "mcnemar",
    "reliability",
    "score",
    "score_multilabel",
    "scores_from_confusion",
]
