"""What a trained model is worth: `metrics`, `evaluate`, and `report`, the page.

`report` is imported on its own (`from workshop_lib.evaluation.report import ...`): a
training needs no figures.
"""

from workshop_lib.evaluation.metrics import Scores, score, scores_from_confusion

__all__ = [
    "Scores",
    "score",
    "scores_from_confusion",
]
