"""What a trained model is worth: scores, how sure they are, and `report`, the page.

`report` is imported on its own (`from workshop_lib.evaluation.report import ...`): a
training needs no figures.
"""

from workshop_lib.evaluation.calibration import calibrate, reliability
from workshop_lib.evaluation.intervals import bootstrap_interval, seed_interval
from workshop_lib.evaluation.mcnemar import mcnemar
from workshop_lib.evaluation.metrics import Scores, score, scores_from_confusion
from workshop_lib.evaluation.multilabel import MultilabelScores, score_multilabel

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
    "seed_interval",
]
