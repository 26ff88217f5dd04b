"""Scores of a predicted number, such as a mean elevation."""

__all__ = ["RegressionScores", "score_regression"]

from dataclasses import asdict, dataclass
from typing import Any

from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import plain


@dataclass(frozen=True)
class RegressionScores:
    """What one model reached on the images whose number is known.

    `mae` and `rmse` are in the unit of the number; `r2` is 1 for a perfect prediction,
    0 for always predicting the mean, and negative below that.
    """

    images: int
    mae: float
    rmse: float
    r2: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON, None for NaN."""
        return {
            name: value if isinstance(value, int) else plain(value)
            for name, value in asdict(self).items()
        }


def score_regression(predicted: Tensor, truth: Tensor) -> RegressionScores:
    """Compare predicted numbers with known ones.

    Args:
        predicted: (N,) numbers.
        truth: (N,) numbers, NaN where unknown; those are left out.

    Raises:
        WorkshopError: shapes that do not fit, or fewer than two known numbers.

    >>> import torch
    >>> score_regression(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])).mae
    0.5
    """
    if predicted.shape != truth.shape or truth.ndim != 1:
        raise WorkshopError(
            f"predictions of shape {tuple(predicted.shape)} and truth of shape"
            f" {tuple(truth.shape)}: expected (N,) both."
        )
    known = ~truth.isnan()
    if int(known.sum()) < 2:
        raise WorkshopError(
            f"{int(known.sum())} known numbers: scores need at least two."
        )
    y, p = truth[known].double().numpy(), predicted[known].double().numpy()
    return RegressionScores(
        images=len(y),
        mae=float(mean_absolute_error(y, p)),
        rmse=float(root_mean_squared_error(y, p)),
        r2=float(r2_score(y, p)),
    )
