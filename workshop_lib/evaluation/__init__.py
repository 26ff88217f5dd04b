"""What a trained model is worth: predictions and scores; `report` makes the page.

`report` is imported on its own (`from workshop_lib.evaluation.report import ...`): a
training needs no figures.
"""

from workshop_lib.evaluation.metrics import Scores, score, scores_from_confusion
from workshop_lib.evaluation.predict import predict

__all__ = [
    "Scores",
    "predict",
    "score",
    "scores_from_confusion",
]
